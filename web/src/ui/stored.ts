// What this browser keeps. Storage may be refused or full; nothing on the pages depends on it.

const PREFIX = "virtuoso."

export function load(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key)
  } catch {
    return null
  }
}

export function save(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value)
  } catch {
    // the choice then lasts as long as the page
  }
}

/** A list that was kept; what is none, or was kept by something else, is empty. */
export function loadList(key: string): readonly unknown[] {
  try {
    const stored: unknown = JSON.parse(load(key) ?? "[]")
    return Array.isArray(stored) ? stored : []
  } catch {
    return []
  }
}
