// Every page of the rail. A further page is one line here and one file in pages/.

import type { Component } from "svelte"

import type { Board } from "../feed/board.svelte"
import BoardPage from "./pages/Board.svelte"

/** What every page is given; its state it takes from the address (`ui/route`). */
export interface PageProps {
  readonly board: Board
}

export interface Entry {
  /** Of the hash; the symbol page is every path that begins with it. */
  readonly path: string
  readonly title: string
  /** An SVG path in a square of 24. */
  readonly icon: string
  /** Fetched when the page is first opened. */
  readonly load: () => Promise<{ readonly default: Component<PageProps> }>
}

export const PAGES: readonly Entry[] = [
  { path: "/", title: "Board", icon: "M4 5h16v3H4zM4 10.5h16v3H4zM4 16h16v3H4z", load: () => Promise.resolve({ default: BoardPage }) },
  { path: "/s/", title: "Symbol", icon: "M6 4v3H4.5v8H6v4h1.5v-4H9V7H7.5V4zM16.5 3v5H15v9h1.5v4H18v-4h1.5V8H18V3z", load: () => import("./pages/Symbol.svelte") },
  { path: "/overview", title: "Overview", icon: "M4 4h7v7H4zM13 4h7v4h-7zM13 10h7v10h-7zM4 13h7v7H4z", load: () => import("./pages/Overview.svelte") },
  { path: "/movers", title: "Movers", icon: "M7 4l4 5H8v11H6V9H3zM17 20l-4-5h3V4h2v11h3z", load: () => import("./pages/Movers.svelte") },
  { path: "/beta", title: "Beta", icon: "M4 4h2v14h14v2H4zM8 13h2v2H8zM11 11h2v2h-2zM13 7h2v2h-2zM17 5h2v2h-2z", load: () => import("./pages/Beta.svelte") },
  { path: "/health", title: "Health", icon: "M3 11h4l2-6h2l3 10 2-6h2l1 2h2v2h-3.200l-.8-1.500-2 6.500h-2l-3-10-1.500 5H3z", load: () => import("./pages/Health.svelte") },
  { path: "/alerts", title: "Alerts", icon: "M12 3a6 6 0 0 0-6 6v4l-2 3.5V18h16v-1.5L18 13V9a6 6 0 0 0-6-6zm-2 16.5a2 2 0 0 0 4 0z", load: () => import("./pages/Alerts.svelte") },
  { path: "/config", title: "Config", icon: "M4 7h8v2H4zm12 0h4v2h-4zM12 5h2v6h-2zM4 15h4v2H4zm8 0h8v2h-8zM8 13h2v6H8z", load: () => import("./pages/Config.svelte") },
  { path: "/signals", title: "Signals", icon: "M4 17l5-6 4 3 6-8h-3V4h6.5v6.5h-2V8L13.3 17 9.2 14 5.6 18.3z", load: () => import("./pages/Signals.svelte") },
]

/** The page of a path, or null where there is none. */
export function pageOf(path: string, pages: readonly Pick<Entry, "path">[] = PAGES): number | null {
  const found = pages.findIndex((page) => (page.path === "/s/" ? path.startsWith("/s/") && path.length > 3 : page.path === path))
  return found < 0 ? null : found
}
