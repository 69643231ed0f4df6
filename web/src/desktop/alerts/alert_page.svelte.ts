// One page of alerts, read again whenever an alert fires or changes.

import { alerts } from "../../feed/alerts.svelte"
import { DocumentError, get } from "../../feed/documents"
import type { AlertList } from "../../wire/types"
import type { ListedAlert } from "./told"

const SETTLE_MS = 300

export class AlertPage {
  list: AlertList | null = $state.raw(null)
  /** Which address the list answers. */
  path = $state.raw("")
  failure: string | null = $state.raw(null)
  readonly alerts = $derived((this.list?.alerts ?? []) as readonly ListedAlert[])

  /** Read `path`, and again after each change, until the returned function is called. */
  follow(path: string): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let seen = alerts.changes
    const read = async (): Promise<void> => {
      seen = alerts.changes
      try {
        const list = await get<AlertList>(path, abort.signal)
        this.list = list
        this.path = path
        this.failure = null
      } catch (error) {
        if (abort.signal.aborted) return
        this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
      }
      timer = setTimeout(again, SETTLE_MS)
    }
    let waited = 0
    const again = (): void => {
      waited += SETTLE_MS
      const due = seen !== alerts.changes || (this.failure !== null && waited >= 3_000)
      if (due && document.visibilityState === "visible") {
        waited = 0
        void read()
      } else timer = setTimeout(again, SETTLE_MS)
    }
    void read()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }
}
