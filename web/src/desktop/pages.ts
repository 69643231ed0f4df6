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
  { path: "/signals", title: "Signals", icon: "M4 17l5-6 4 3 6-8h-3V4h6.5v6.5h-2V8L13.3 17 9.2 14 5.6 18.3z", load: () => import("./pages/Signals.svelte") },
]

/** The page of a path, or null where there is none. */
export function pageOf(path: string, pages: readonly Pick<Entry, "path">[] = PAGES): number | null {
  const found = pages.findIndex((page) => (page.path === "/s/" ? path.startsWith("/s/") && path.length > 3 : page.path === path))
  return found < 0 ? null : found
}
