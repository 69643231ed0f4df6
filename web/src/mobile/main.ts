import "../ui/base.css"

import { mount } from "svelte"

import { Board } from "../feed/board.svelte"
import Phone from "./Phone.svelte"

const target = document.getElementById("app")
if (target !== null) {
  const board = new Board("mobile", 1)
  board.start()
  // apart from the first view, which needs it only when this browser may read nothing
  void import("../ui/session").then(({ guardPage }) => guardPage())
  mount(Phone, { target, props: { board } })
}
