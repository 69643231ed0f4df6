import { mount, unmount } from "svelte"

import SignIn from "./SignIn.svelte"

/** Puts the sign-in on the page; `possible` is false where the server knows no password or token.
 *  With `leave` a reader may also go on without it, and `leave` is called then. */
export function showSignIn(possible: boolean, leave?: () => void): void {
  const onleave = leave === undefined ? undefined : (): void => {
    void unmount(shown)
    leave()
  }
  const shown = mount(SignIn, { target: document.body, props: { possible, onleave } })
}
