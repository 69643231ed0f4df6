// Writes the phone's service worker: a list of the files that the page needs to open without a network.

import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { resolve } from "node:path"

import type { Plugin, Rolldown } from "vite"

const PAGE = "mobile/index.html"

/** The files of an entry: what it imports, and what that imports, but for what begins with a module of `apart`. */
export function filesOf(bundle: Rolldown.OutputBundle, apart: readonly string[]): string[] {
  const found = new Set<string>()
  const visit = (name: string): void => {
    const chunk = bundle[name]
    if (found.has(name) || chunk?.type !== "chunk") return
    if (apart.some((module) => chunk.facadeModuleId?.endsWith(module))) return
    found.add(name)
    const styles = (chunk as { viteMetadata?: { importedCss?: Set<string> } }).viteMetadata?.importedCss ?? []
    for (const style of styles) found.add(style)
    for (const other of [...chunk.imports, ...chunk.dynamicImports]) visit(other)
  }
  for (const chunk of Object.values(bundle)) if (chunk.type === "chunk" && chunk.isEntry) visit(chunk.fileName)
  return [...found].sort()
}

/** The worker's text with the list in it; its version is that of the files. */
export function workerOf(template: string, page: string, files: readonly string[]): string {
  const paths = JSON.stringify(["/mobile", ...files.map((file) => `/${file}`), "/icon.svg"])
  const version = createHash("sha256").update(page).update(paths).update(template).digest("hex").slice(0, 12)
  return template.replaceAll("__FILES__", paths).replaceAll("__VERSION__", version)
}

/** Takes out `import"./x.js"` without a name: rolldown puts it where chunks were cut by hand, and no
 *  module of ours or of the framework's is there for an effect. The first view would fetch it all. */
function withoutBareImports(code: string): string {
  return code.replaceAll(/import"\.\/[^"]+\.js";/g, "")
}

/** Puts `sw.js` beside the pages, from the template of that name; `apart` is fetched on demand, and never kept. */
export function phoneShell(apart: readonly string[]): Plugin {
  let root = ""
  return {
    name: "phone-shell",
    apply: "build",
    configResolved(config) {
      root = config.root
    },
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue
        const code = withoutBareImports(chunk.code)
        if (code !== chunk.code) chunk.code = code
      }
    },
    async writeBundle(options, bundle) {
      const out = options.dir ?? ""
      const page = await readFile(resolve(out, PAGE), "utf8")
      const template = await readFile(resolve(root, "sw.js"), "utf8")
      await writeFile(resolve(out, "sw.js"), workerOf(template, page, filesOf(bundle, apart)))
    },
  }
}
