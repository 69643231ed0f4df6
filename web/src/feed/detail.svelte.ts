// The symbol a reader has opened, read again each second while it is open.

import type { SymbolDetail } from "../wire/types"
import { DocumentError, fetchDetail } from "./documents"

const EVERY_MS = 1_000

export class OpenSymbol {
  readonly symbol: string
  detail: SymbolDetail | null = $state.raw(null)
  /** Why the last request failed; null when it did not. */
  failure: string | null = $state.raw(null)
  /** Status of the refusal; null when there was no answer, or nothing failed. */
  status: number | null = $state.raw(null)
  readonly #every: number
  readonly #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(symbol: string, everyMs = EVERY_MS) {
    this.symbol = symbol
    this.#every = everyMs
  }

  /** Read until the returned function is called. */
  start(): () => void {
    void this.#read()
    return () => {
      this.#abort.abort()
      clearTimeout(this.#timer)
    }
  }

  async #read(): Promise<void> {
    try {
      if (document.visibilityState === "hidden" && this.detail !== null) return this.#again()
      const detail = await fetchDetail(this.symbol, this.#abort.signal)
      const held = this.detail
      const older = held !== null && held.epoch === detail.epoch && detail.seq < held.seq
      if (!older) this.detail = detail
      this.failure = null
      this.status = null
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.status = error instanceof DocumentError ? error.status : null
      this.failure = error instanceof DocumentError ? error.message : "no answer from the server"
    }
    this.#again()
  }

  #again(): void {
    if (!this.#abort.signal.aborted) this.#timer = setTimeout(() => void this.#read(), this.#every)
  }
}
