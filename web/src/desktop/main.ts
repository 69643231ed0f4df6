import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import { guardPage } from "../ui/session"
import Desktop from "./Desktop.svelte"

const target = document.getElementById("app")
// Without these every request would fail: the sentence in the page stays, and says what is needed.
if (target !== null && "any" in AbortSignal && "findLastIndex" in Array.prototype) {
  target.replaceChildren()
  const board = new Board("desktop", 4)
  board.start()
  guardPage()
  mount(Desktop, { target, props: { board } })
}
