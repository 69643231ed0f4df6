// In which time zone times are shown: UTC, or the reader's own. Whichever it is, it is named.

import { load, save } from "./stored"

class Zone {
  local: boolean = $state.raw(load("zone") === "local")

  toggle(): void {
    this.local = !this.local
    save("zone", this.local ? "local" : "utc")
  }
}

export const zone = new Zone()
