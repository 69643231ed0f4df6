// One document of the REST interface, read again and again while it is looked at.

import { DocumentError, fetchChanged } from "./documents"
import { type Feed, worst } from "./freshness"
import type { State } from "../wire/types"

const EVERY_MS = 1_000
/** After a failure it is asked for again so soon, if not sooner. */
const AGAIN_MS = 3_000

/** Whether `found` was made before `held` by the same engine; what names no engine never is. */
function older(found: Readonly<{ epoch?: string; seq?: number }>, held: Readonly<{ epoch?: string; seq?: number }>): boolean {
  return held.epoch !== undefined && held.epoch === found.epoch && (found.seq ?? 0) < (held.seq ?? 0)
}

/** A document with its tag, or null when it is still the one of `tag`. */
type Fetcher<T> = (path: string, tag: string, signal: AbortSignal) => Promise<{ document: T; tag: string } | null>

export class Polled<T extends object> {
  value: T | null = $state.raw(null)
  /** Why the last request failed; null when it did not. */
  failure: string | null = $state.raw(null)
  /** Status of the refusal; null when there was no answer, or nothing failed. */
  status: number | null = $state.raw(null)
  /** The page's clock at the last answer; null before the first. */
  answeredAt: number | null = $state.raw(null)
  readonly #path: string
  readonly #everyMs: number
  readonly #fetch: Fetcher<T>
  #tag = ""

  constructor(path: string, everyMs = EVERY_MS, fetcher: Fetcher<T> = fetchChanged<T>) {
    this.#path = path
    this.#everyMs = everyMs
    this.#fetch = fetcher
  }

  /** Read until the returned function is called; a hidden tab reads nothing. */
  start(): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const read = async (): Promise<void> => {
      if (document.visibilityState === "visible") await this.#read(abort.signal)
      if (!abort.signal.aborted) timer = setTimeout(() => void read(), this.failure === null ? this.#everyMs : Math.min(this.#everyMs, AGAIN_MS))
    }
    void read()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      const found = await this.#fetch(this.#path, this.#tag, signal)
      this.failure = null
      this.status = null
      this.answeredAt = performance.now()
      if (found === null) return
      this.#tag = found.tag
      if (this.value === null || !older(found.document, this.value)) this.value = found.document
    } catch (error) {
      if (signal.aborted) return
      this.status = error instanceof DocumentError ? error.status : null
      this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
    }
  }
}

/** State of a number by its age now: never better than was said, and stale when nothing vouches for it. */
export function agedState(
  said: State, as_of: number | null, delayed: number | null, stale: number | null, now: number, feed: Feed, failed: boolean,
): State {
  if (said === "absent") return "absent"
  if (feed.dead || failed) return "stale"
  if (as_of === null || delayed === null || stale === null) return said
  const age = now - as_of
  return worst(said, age > stale ? "stale" : age > delayed ? "delayed" : "live")
}
