// The five tabs, and which of them and which sheet an address means.

import { type Place, route, symbolOf } from "../ui/route.svelte"

export interface Tab {
  /** Of the hash. */
  readonly path: string
  readonly title: string
  /** An SVG path in a square of 24. */
  readonly icon: string
}

export const TABS: readonly Tab[] = [
  { path: "/", title: "Scores", icon: "M4 5h16v3H4zM4 10.5h16v3H4zM4 16h16v3H4z" },
  { path: "/movers", title: "Movers", icon: "M8 4l5 6H9.5v10h-3V10H3zM16 20l-5-6h3.5V4h3v10H21z" },
  { path: "/alerts", title: "Alerts", icon: "M12 3a6 6 0 0 0-6 6v4l-2 3.5V18h16v-1.5L18 13V9a6 6 0 0 0-6-6zm-2 16.5a2 2 0 0 0 4 0z" },
  { path: "/market", title: "Market", icon: "M4 12h3v8H4zM10.5 4h3v16h-3zM17 8h3v12h-3z" },
  { path: "/more", title: "More", icon: "M5 10h4v4H5zM10 10h4v4h-4zM15 10h4v4h-4z" },
]

/** Place of the tab in `TABS`, or null where an address names none. A symbol's own address opens it over the scores. */
export function tabOf(path: string): number | null {
  if (symbolOf(path) !== null) return 0
  const found = TABS.findIndex((tab) => tab.path === path)
  return found < 0 ? null : found
}

/** The symbol whose sheet is open. */
export function sheetOf(place: Place): string | null {
  return symbolOf(place.path) ?? place.query.get("open") ?? null
}

/** Slide the symbol's sheet over the tab; the back button closes it. */
export function openSheet(symbol: string): void {
  route.set({ open: symbol }, true)
  history.replaceState({ sheet: true }, "")
}

/** Close the sheet: by going back where it was opened by a tap, so that it is not opened again. */
export function closeSheet(): void {
  if ((history.state as { sheet?: boolean } | null)?.sheet === true) history.back()
  else if (symbolOf(route.path) === null) route.set({ open: null })
  else {
    history.replaceState(null, "", "#/")
    window.dispatchEvent(new HashChangeEvent("hashchange"))
  }
}
