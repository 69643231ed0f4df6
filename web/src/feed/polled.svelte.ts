// One document of the REST interface, read again each second (or more seldom) while it is looked at.

import { DocumentError, fetchChanged } from "./documents"
import { type Feed, worst } from "./freshness"
import type { State } from "../wire/types"

const EVERY_MS = 1_000

/** What every such document says of its place in the sequence. */
export interface Dated {
  readonly epoch: string
  readonly seq: number
}

export class Polled<T extends Dated> {
  value: T | null = $state.raw(null)
  /** Why the last request failed; null when it did not. */
  failure: string | null = $state.raw(null)
  readonly #path: string
  readonly #every: number
  #tag = ""

  constructor(path: string, everyMs = EVERY_MS) {
    this.#path = path
    this.#every = everyMs
  }

  /** Read until the returned function is called; a hidden tab reads nothing. */
  start(): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const read = async (): Promise<void> => {
      if (document.visibilityState === "visible") await this.#read(abort.signal)
      if (!abort.signal.aborted) timer = setTimeout(() => void read(), this.#every)
    }
    void read()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      const found = await fetchChanged<T>(this.#path, this.#tag, signal)
      this.failure = null
      if (found === null) return
      this.#tag = found.tag
      const held = this.value
      const older = held !== null && held.epoch === found.document.epoch && found.document.seq < held.seq
      if (!older) this.value = found.document
    } catch (error) {
      if (!signal.aborted) this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
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
