// What the phone draws its numbers from.

import type { Board } from "../feed/board.svelte"

/** The live board, or the rows that this browser kept of an earlier one: always one of the two. */
export type Shown = Pick<
  Board,
  "rows" | "row" | "now" | "ticks" | "snapshots" | "feed" | "limits" | "source" | "simulated" | "replay" | "notices"
>
