import { svelte } from "@sveltejs/vite-plugin-svelte"
import { defineConfig } from "vite"

import { phoneShell } from "./phone_shell"
import { slim } from "./slim"

const server = `127.0.0.1:${process.env["APP_PORT"] ?? "8003"}`

/** Parts of the framework that only what is fetched later uses; left alone they stand in the first file. */
const LATER = /svelte[\\/]src[\\/]internal[\\/]client[\\/](dom[\\/](elements[\\/](bindings[\\/](?!shared)|style\.js)|blocks[\\/]key\.js)|reactivity[\\/]props\.js)/
const SPLIT = {
  includeDependenciesRecursively: false,
  groups: [{ name: "later", test: LATER, priority: 2 }, { name: "first", tags: ["$initial" as const], priority: 1 }],
}

// Each page is built alone (`--mode mobile` for the phone): in one build the phone would load what
// only the desktop uses, since both pages share one chunk of the framework.
export default defineConfig(({ mode }) => {
  const page = mode === "mobile" ? "mobile/index.html" : "index.html"
  return {
    plugins: [svelte(), slim(), ...(mode === "mobile" ? [phoneShell(["/ui/Chart.svelte", "/ui/sign_in.ts"])] : [])],
    build: {
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0, // a data: font or script would be refused by the policy
      reportCompressedSize: false,
      emptyOutDir: mode !== "mobile",
      rolldownOptions: {
        optimization: { inlineConst: { mode: "all", pass: 3 } },
        ...(mode === "mobile" && { output: { codeSplitting: SPLIT } }),
        input: { [mode === "mobile" ? "mobile" : "desktop"]: page },
      },
    },
    server: {
      host: "127.0.0.1",
      port: 5173,
      strictPort: true,
      proxy: {
        "/api": `http://${server}`,
        "/health": `http://${server}`,
        "/ws": { target: `ws://${server}`, ws: true },
      },
    },
  }
})
