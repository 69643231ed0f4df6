import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import type { Snapshot } from "../wire/types"
import "./offer"
import Phone from "./Phone.svelte"
import { saver } from "./saver.svelte"

/** Longer than this the first rows are not waited for apart from the socket, milliseconds. */
const PATIENCE_MS = 3_000

/** The socket compresses nothing; its first message, which is the largest, comes a quarter the size this way. */
async function firstRows(): Promise<Snapshot | null> {
  try {
    const answer = await fetch("/api/board", { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" })
    return answer.ok ? ((await answer.json()) as Snapshot) : null
  } catch {
    return null
  }
}

const target = document.getElementById("app")
// Without these every request would fail: the sentence in the page stays, and says what is needed.
if (target !== null && "any" in AbortSignal && "findLastIndex" in Array.prototype) {
  target.replaceChildren()
  const board = new Board("mobile", saver.hz)
  board.start(firstRows())
  // apart from the first view, which needs it only when this browser may read nothing
  void import("../ui/session").then(({ guardPage }) => guardPage())
  mount(Phone, { target, props: { board } })
}
