import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import { guardPage } from "../ui/session"
import Desktop from "./Desktop.svelte"

const target = document.getElementById("app")
if (target !== null) {
  const board = new Board("desktop", 4)
  board.start()
  guardPage()
  mount(Desktop, { target, props: { board } })
}
