import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import { guardPage } from "../ui/session"
import Phone from "./Phone.svelte"

const target = document.getElementById("app")
if (target !== null) {
  const board = new Board("mobile", 1)
  board.start()
  guardPage()
  mount(Phone, { target, props: { board } })
}
