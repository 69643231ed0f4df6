import { mount, unmount } from "svelte"

import SignIn from "./SignIn.svelte"

/** Puts the sign-in on the page; `possible` is false where the server knows no password or token.
 *  One that a reader asked for can be left again. */
export function showSignIn(possible: boolean, leavable = false): void {
  const page = document.getElementById("app")
  page?.setAttribute("inert", "")
  const leave = (): void => {
    page?.removeAttribute("inert")
    void unmount(shown)
  }
  const shown = mount(SignIn, { target: document.body, props: { possible, onleave: leavable ? leave : undefined } })
}
