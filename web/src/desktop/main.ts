import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import Desktop from "./Desktop.svelte"

const target = document.getElementById("app")
// Without these every request would fail: the sentence in the page stays, and says what is needed.
if (target !== null && "any" in AbortSignal && "findLastIndex" in Array.prototype) {
  target.replaceChildren()
  const board = new Board("desktop", 4)
  board.start()
  // apart from the first view, which needs it only when this browser may read nothing
  void import("../ui/session").then(({ guardPage }) => guardPage())
  mount(Desktop, { target, props: { board } })
}
