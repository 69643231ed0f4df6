import { svelte } from "@sveltejs/vite-plugin-svelte"
import { defineConfig } from "vite"

const server = `127.0.0.1:${process.env["APP_PORT"] ?? "8003"}`

// Each page is built alone (`--mode mobile` for the phone): in one build the phone would load what
// only the desktop uses, since both pages share one chunk of the framework.
export default defineConfig(({ mode }) => {
  const page = mode === "mobile" ? "mobile/index.html" : "index.html"
  return {
    plugins: [svelte()],
    build: {
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0, // a data: font or script would be refused by the policy
      reportCompressedSize: false,
      emptyOutDir: mode !== "mobile",
      rolldownOptions: {
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
