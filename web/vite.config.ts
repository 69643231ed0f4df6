import { svelte } from "@sveltejs/vite-plugin-svelte"
import { defineConfig } from "vite"

const server = `127.0.0.1:${process.env["APP_PORT"] ?? "8003"}`

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // a data: font or script would be refused by the policy
    reportCompressedSize: false,
    rolldownOptions: {
      input: { desktop: "index.html", mobile: "mobile/index.html" },
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
})
