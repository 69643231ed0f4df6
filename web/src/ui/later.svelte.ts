// A component that is fetched when it is first needed.

/** `component` is null until `ask` was called and the file has come. */
export class Later<Loaded> {
  component: Loaded | null = $state.raw(null)
  failed = $state.raw(false)
  readonly #load: () => Promise<{ readonly default: Loaded }>
  #asked = false

  constructor(load: () => Promise<{ readonly default: Loaded }>) {
    this.#load = load
  }

  /** Fetch it, once. A failed fetch is tried again at the next call. */
  ask(): void {
    if (this.#asked) return
    this.#asked = true
    this.failed = false
    this.#load().then(
      (module) => (this.component = module.default),
      () => {
        this.#asked = false
        this.failed = true
      },
    )
  }
}
