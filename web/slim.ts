// Takes out of the framework what these pages never use, so that it is not fetched by a phone.

import type { Plugin } from "vite"

/** A page is mounted, never hydrated; all code is in runes, without experimental async, and untraced.
 *  The framework holds each of these in a variable that only its unused parts set. As a constant it
 *  lets the minifier drop what hangs on it. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  "/svelte/src/internal/flags/index.js": ["async_mode_flag", "legacy_mode_flag", "tracing_mode_flag"],
  "/svelte/src/internal/client/dom/hydration.js": ["hydrating"],
}

/** The text of such a module with its variables made constants. Throws when it is not the text that is known. */
export function withoutFlags(code: string, names: readonly string[]): string {
  for (const name of names) {
    const declared = `export let ${name} = false;`
    if (!code.includes(declared)) throw new Error(`expected "${declared}" in the framework, found none: see slim.ts`)
    code = code.replace(declared, `export const ${name} = false;`).replaceAll(new RegExp(`^\\s*${name} = \\w+;$`, "gm"), "")
  }
  return code
}

/** What Vite wraps around each import() of ours: the styles first, then the script. Its own does more, for more bytes. */
const PRELOAD = `
const styles = new Map()
function style(path) {
  if (!styles.has(path)) styles.set(path, new Promise((resolve, reject) => {
    const link = document.createElement("link")
    link.rel = "stylesheet"
    link.href = "/" + path
    link.onload = resolve
    link.onerror = () => { styles.delete(path); link.remove(); reject(new Error(path)) }
    document.head.append(link)
  }))
  return styles.get(path)
}
export const __vitePreload = (load, paths = []) => Promise.all(paths.map(style)).then(load)
`

export function slim(): Plugin {
  return {
    name: "slim",
    apply: "build",
    enforce: "pre",
    load: (id) => (id.includes("vite/preload-helper") ? PRELOAD : null),
    transform(code, id) {
      const names = Object.entries(NEVER).find(([file]) => id.split("?")[0]?.replaceAll("\\", "/").endsWith(file))?.[1]
      return names === undefined ? null : { code: withoutFlags(code, names), map: null }
    },
  }
}
