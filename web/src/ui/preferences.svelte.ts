// What a reader chose, kept in this browser: theme, density, stars.

export type Theme = "dark" | "light"
export type Density = "compact" | "normal" | "roomy"

export const ROW_HEIGHTS: Readonly<Record<Density, number>> = { compact: 24, normal: 28, roomy: 36 }

const PREFIX = "virtuoso."

function load(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key)
  } catch {
    return null // storage may be refused; the choice then lasts as long as the page
  }
}

function save(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value)
  } catch {
    // storage may be refused or full; nothing on the page depends on it
  }
}

function loadStars(): ReadonlySet<string> {
  try {
    const stored: unknown = JSON.parse(load("stars") ?? "[]")
    return new Set(Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : [])
  } catch {
    return new Set()
  }
}

class Preferences {
  theme: Theme = $state.raw(load("theme") === "light" ? "light" : "dark")
  density: Density = $state.raw("normal")
  stars: ReadonlySet<string> = $state.raw(loadStars())

  constructor() {
    const density = load("density")
    if (density === "compact" || density === "roomy") this.density = density
    this.#showTheme()
  }

  toggleTheme(): void {
    this.theme = this.theme === "dark" ? "light" : "dark"
    save("theme", this.theme)
    this.#showTheme()
  }

  nextDensity(): void {
    this.density = this.density === "compact" ? "normal" : this.density === "normal" ? "roomy" : "compact"
    save("density", this.density)
  }

  toggleStar(symbol: string): void {
    const stars = new Set(this.stars)
    if (!stars.delete(symbol)) stars.add(symbol)
    this.stars = stars
    save("stars", JSON.stringify([...stars]))
  }

  #showTheme(): void {
    document.documentElement.dataset["theme"] = this.theme
  }
}

export const preferences = new Preferences()
