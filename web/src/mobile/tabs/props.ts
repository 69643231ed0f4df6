import type { Board } from "../../feed/board.svelte"
import type { After } from "../after.svelte"
import type { Shown } from "../shown"

/** What every tab that is fetched is given; its state it takes from the address. */
export interface TabProps {
  readonly board: Board
  readonly shown: Shown
  /** Null until the first numbers are there. */
  readonly after: After | null
}
