// Tips that are made when they are looked at; one made ahead would be made anew with each update.

const makers = new WeakMap<Element, () => string>()

/** Gives an element a tip. */
export function tell(element: HTMLElement, make: () => string): void {
  element.dataset["tip"] = ""
  makers.set(element, make)
}

/** What the bubble says of an element that has `data-tip`. */
export function tipOf(element: Element): string | null {
  return makers.get(element)?.() ?? element.getAttribute("data-tip")
}
