import { mount } from "svelte"

import SignIn from "./SignIn.svelte"

/** Puts the sign-in on the page; `possible` is false where the server knows no password or token. */
export function showSignIn(possible: boolean): void {
  mount(SignIn, { target: document.body, props: { possible } })
}
