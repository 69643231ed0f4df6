import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import Phone from "./Phone.svelte"

const target = document.getElementById("app")
if (target !== null) {
  const board = new Board("mobile", 1)
  board.start()
  mount(Phone, { target, props: { board } })
}
