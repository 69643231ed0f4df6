// What begins once the first numbers are there, and is fetched apart from them.

import type { Board } from "../feed/board.svelte"
import { save } from "../ui/stored"
import { AlertBook } from "./alerts.svelte"
import { Installation } from "./installation.svelte"
import { keep, KEY } from "./kept"
import { Usage } from "./usage.svelte"

/** How often the rows are kept while they are live. */
const KEEP_MS = 5_000

export class After {
  readonly alerts = new AlertBook()
  readonly installation = new Installation()
  readonly usage: Usage

  constructor(board: Board) {
    this.usage = new Usage(board)
    const write = (): void => {
      const kept = keep(board, Date.now())
      if (kept !== null) save(KEY, JSON.stringify(kept))
    }
    write()
    setInterval(() => document.visibilityState === "visible" && write(), KEEP_MS)
    // the phone may end the page at any time once it is not seen
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && write())
    board.listen("alerts", this.alerts)
    this.alerts.start()
  }
}
