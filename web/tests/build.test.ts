import { readFileSync } from "node:fs"

import { describe, expect, it } from "vitest"

import { filesOf, workerOf } from "../phone_shell"
import { withoutFlags } from "../slim"

type Bundle = Parameters<typeof filesOf>[0]

function chunk(fileName: string, about: object): object {
  return { type: "chunk", fileName, isEntry: false, facadeModuleId: null, imports: [], dynamicImports: [], ...about }
}

describe("the worker's list", () => {
  const bundle = {
    "assets/entry.js": chunk("assets/entry.js", {
      isEntry: true, imports: ["assets/shared.js"], dynamicImports: ["assets/tab.js", "assets/Chart.js"],
      viteMetadata: { importedCss: new Set(["assets/entry.css"]) },
    }),
    "assets/shared.js": chunk("assets/shared.js", {}),
    "assets/tab.js": chunk("assets/tab.js", { imports: ["assets/shared.js"] }),
    "assets/Chart.js": chunk("assets/Chart.js", {
      facadeModuleId: "/x/src/ui/Chart.svelte", dynamicImports: ["assets/big.js"], viteMetadata: { importedCss: new Set(["assets/Chart.css"]) },
    }),
    "assets/big.js": chunk("assets/big.js", {}),
  } as unknown as Bundle

  it("holds what the entry imports, each once, and nothing of what is fetched on demand", () => {
    expect(filesOf(bundle, ["/ui/Chart.svelte"])).toEqual(["assets/entry.css", "assets/entry.js", "assets/shared.js", "assets/tab.js"])
  })

  it("makes a new version of other files, and leaves no place unfilled", () => {
    const template = readFileSync("sw.js", "utf8")
    const [one, other] = [workerOf(template, "page", ["a.js"]), workerOf(template, "page", ["b.js"])]
    expect(one).not.toContain("__")
    expect(one).not.toBe(other)
    expect(workerOf(template, "page", ["a.js"])).toBe(one)
    expect(workerOf(template, "another page", ["a.js"])).not.toBe(one)
  })
})

describe("flags of the framework", () => {
  it("become constants that nothing sets", () => {
    const made = withoutFlags("export let on = false;\nexport function set() {\n\ton = true;\n}\n", ["on"])
    expect(made).toContain("export const on = false;")
    expect(made).not.toContain("on = true")
  })

  it("are looked for in vain in another framework, and that is said", () => {
    expect(() => withoutFlags("export let other = false;", ["on"])).toThrow("expected")
  })

  it("are where they are looked for", () => {
    const flags = readFileSync("node_modules/svelte/src/internal/flags/index.js", "utf8")
    expect(withoutFlags(flags, ["async_mode_flag", "legacy_mode_flag", "tracing_mode_flag"])).not.toContain("let ")
    const hydration = readFileSync("node_modules/svelte/src/internal/client/dom/hydration.js", "utf8")
    expect(withoutFlags(hydration, ["hydrating"])).not.toMatch(/^\s*hydrating = /m)
  })
})
