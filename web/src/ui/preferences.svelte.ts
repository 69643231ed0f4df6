// What a reader chose, kept in this browser: theme, colours of direction, density, stars.

import { load, loadList, save } from "./stored"

export type Theme = "dark" | "light"
export type Density = "compact" | "normal" | "roomy"
/** The colours of up and down. */
export type Colours = "blue" | "teal"

export const ROW_HEIGHTS: Readonly<Record<Density, number>> = { compact: 24, normal: 28, roomy: 36 }

function loadStars(): ReadonlySet<string> {
  return new Set(loadList("stars").filter((name) => typeof name === "string"))
}

class Preferences {
  theme: Theme = $state.raw(load("theme") === "light" ? "light" : "dark")
  colours: Colours = $state.raw(load("colours") === "teal" ? "teal" : "blue")
  density: Density = $state.raw("normal")
  stars: ReadonlySet<string> = $state.raw(loadStars())

  constructor() {
    const density = load("density")
    if (density === "compact" || density === "roomy") this.density = density
    this.#show()
  }

  toggleTheme(): void {
    this.theme = this.theme === "dark" ? "light" : "dark"
    save("theme", this.theme)
    this.#show()
  }

  toggleColours(): void {
    this.colours = this.colours === "blue" ? "teal" : "blue"
    save("colours", this.colours)
    this.#show()
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

  #show(): void {
    const { dataset } = document.documentElement
    dataset["theme"] = this.theme
    dataset["colours"] = this.colours
  }
}

export const preferences = new Preferences()
