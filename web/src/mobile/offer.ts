// The browser's offer to install the page: it comes once, soon, and is gone unless it is held.

interface InstallEvent extends Event {
  prompt(): Promise<unknown>
}

export const offer: { event: InstallEvent | null } = { event: null }

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault()
  offer.event = event as InstallEvent
})
