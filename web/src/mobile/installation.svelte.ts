// The worker that lets the page open without a network, and the way to the home screen.

import { offer } from "./offer"

const WORKER = "/sw.js"
const SCOPE = "/mobile"
/** How often a page that stays open asks whether there is a new version. */
const LOOK_MS = 3_600_000

export type State = "none" | "insecure" | "failed" | "ready"

export class Installation {
  /** Whether the page opens without a network. */
  state: State = $state.raw("none")
  /** A new version was fetched and waits. */
  waiting: ServiceWorker | null = $state.raw(null)
  readonly onHomeScreen =
    window.matchMedia("(display-mode: standalone)").matches || (navigator as { standalone?: boolean }).standalone === true
  readonly apple = /iPhone|iPad|iPod/.test(navigator.userAgent)

  constructor() {
    if (!("serviceWorker" in navigator)) this.state = window.isSecureContext ? "failed" : "insecure"
    else if (import.meta.env.PROD) void this.#register()
  }

  /** Whether the browser has offered to install the page. */
  get offered(): boolean {
    return offer.event !== null
  }

  async install(): Promise<void> {
    await offer.event?.prompt()
    offer.event = null
  }

  /** Open the new version. */
  renew(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => window.location.reload(), { once: true })
    this.waiting?.postMessage("take over")
  }

  async #register(): Promise<void> {
    // the one address a script may ever be taken from by name
    const policy = window.trustedTypes?.createPolicy("virtuoso", { createScriptURL: (asked: string) => (asked === WORKER ? asked : "") })
    try {
      const registration = await navigator.serviceWorker.register(
        (policy?.createScriptURL(WORKER) ?? WORKER) as string, { scope: SCOPE },
      )
      this.#watch(registration)
      await navigator.serviceWorker.ready
      this.state = "ready"
    } catch {
      this.state = "failed"
    }
  }

  #watch(registration: ServiceWorkerRegistration): void {
    // fetched during an earlier visit: this one has only just begun, so it may begin anew with it
    if (registration.waiting !== null) {
      this.waiting = registration.waiting
      this.renew()
      return
    }
    registration.addEventListener("updatefound", () => {
      const found = registration.installing
      found?.addEventListener("statechange", () => {
        if (found.state === "installed" && navigator.serviceWorker.controller !== null) this.waiting = found
      })
    })
    setInterval(() => void registration.update().catch(() => undefined), LOOK_MS)
  }
}
