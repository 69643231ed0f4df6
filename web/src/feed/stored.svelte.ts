// A document that is read from the store now and then: seldom enough for every reader to have it.

import { DocumentError, fetchChanged } from "./documents"

const HIDDEN_MS = 1_000

export class Stored<T> {
  value: T | null = $state.raw(null)
  /** Why the last request failed; null when it did not. */
  failure: string | null = $state.raw(null)
  readonly #path: string
  readonly #every: number
  #tag = ""
  #again: () => void = () => undefined

  constructor(path: string, everyMs: number) {
    this.#path = path
    this.#every = everyMs
  }

  /** Read until the returned function is called; a hidden tab reads nothing. */
  start(): () => void {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const read = async (): Promise<void> => {
      clearTimeout(timer)
      const seen = document.visibilityState === "visible"
      if (seen) await this.#read(abort.signal)
      clearTimeout(timer) // another reading may have ended meanwhile
      if (!abort.signal.aborted) timer = setTimeout(() => void read(), seen ? this.#every : HIDDEN_MS)
    }
    void read()
    this.#again = () => void read()
    return () => {
      this.#again = () => undefined
      abort.abort()
      clearTimeout(timer)
    }
  }

  /** Read at once: something is known to have changed. */
  again(): void {
    this.#again()
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      const found = await fetchChanged<T>(this.#path, this.#tag, signal)
      this.failure = null
      if (found === null) return
      this.#tag = found.tag
      this.value = found.document
    } catch (error) {
      if (!signal.aborted) this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
    }
  }
}
