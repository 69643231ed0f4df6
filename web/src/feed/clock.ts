// The engine's time as this page can vouch for it, and how long nothing was heard.

/** A second without this many heartbeats' time makes everything stale, milliseconds. */
export const SILENCE_MS = 3_000

/** The page's own tick, and how late one may be before the page must have slept. */
export const TICK_MS = 1_000
export const LATE_MS = 3_000

/** Carries the engine's clock on by the browser's monotonic one. Never reads the wall clock. */
export class EngineClock {
  #engineAt = 0
  #anchoredAt = 0
  #heardAt: number | null = null
  #engineMs = 0
  #limitMs = Number.POSITIVE_INFINITY

  /** A new epoch, or the first snapshot: what the engine's clock says now. */
  anchor(engineNow: number, at: number, limitMs: number): void {
    this.#limitMs = limitMs
    this.#engineAt = engineNow
    this.#anchoredAt = at
  }

  /** A heartbeat: the web process is there, and heard of the engine `engineMs` ago. */
  beat(engineNow: number, engineMs: number, at: number): void {
    this.#heardAt = at
    this.#engineMs = engineMs
    // The clock of a silent engine stands still on the server; ages must go on rising here.
    if (engineMs <= this.#limitMs) {
      this.#engineAt = engineNow
      this.#anchoredAt = at
    }
  }

  /** Forget that anything was heard: a new connection has yet to prove itself. */
  reset(): void {
    this.#heardAt = null
    this.#engineMs = 0
  }

  /** Milliseconds UTC of the venue. */
  now(at: number): number {
    return this.#engineAt + Math.max(0, at - this.#anchoredAt)
  }

  /** How long ago the web process, and through it the engine, was heard of. */
  silence(at: number): number {
    return Math.max(0, at - (this.#heardAt ?? this.#anchoredAt)) + this.#engineMs
  }

  /** Whether everything must be taken for stale. */
  silent(at: number): boolean {
    const sinceBeat = at - (this.#heardAt ?? this.#anchoredAt)
    return sinceBeat > SILENCE_MS || this.silence(at) - sinceBeat > this.#limitMs
  }
}
