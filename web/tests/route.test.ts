import { beforeEach, describe, expect, it, vi } from "vitest"

const location = { hash: "" }
vi.stubGlobal("window", { location, addEventListener: () => undefined })
vi.stubGlobal("history", { state: null, replaceState: (_state: unknown, _title: string, hash: string) => { location.hash = hash } })
const { hashOf, placeOf, route, symbolOf } = await import("../src/ui/route.svelte")

describe("an address", () => {
  it("says path and query, and nothing of it is trusted", () => {
    const { path, query } = placeOf("#/s/BTCUSDT?tf=1m&q=a%26b&=x&bad=%E0%A4%A&empty=")
    expect([path, [...query]]).toEqual(["/s/BTCUSDT", [["tf", "1m"], ["q", "a&b"]]])
  })

  it("is the board when it says nothing", () => {
    expect(["", "#", "#nonsense", "#?a=b"].map((hash) => placeOf(hash).path)).toEqual(["/", "/", "/", "/"])
  })

  it("comes back as it was written", () => {
    const query = new Map([["q", "a b&c=d?#"], ["sort", "-score,symbol"]])
    expect(placeOf(hashOf("/", query)).query).toEqual(query)
  })

  it("leaves out what is empty, in one order", () => {
    expect(hashOf("/", [["sort", ""], ["q", "x"], ["f", "low"]])).toBe("#/?f=low&q=x")
  })

  it("names a symbol, or none", () => {
    expect(["/s/BTCUSDT", "/s/%3Cb%3E", "/s/", "/s/a/b", "/", "/s/%E0%A4%A"].map(symbolOf)).toEqual(["BTCUSDT", "<b>", null, null, null, null])
  })
})

describe("the route", () => {
  beforeEach(() => route.go("/"))

  it("changes its query without leaving the page", () => {
    route.set({ sort: "-price", q: "btc" })
    route.set({ q: null, open: "ETHUSDT" }, true)
    expect([location.hash, route.query.get("q"), route.query.get("open")]).toEqual(["#/?open=ETHUSDT&sort=-price", undefined, "ETHUSDT"])
  })

  it("opens a symbol whose name is hostile as a name", () => {
    route.open("<img src=x>")
    expect([route.symbol, location.hash]).toEqual(["<img src=x>", "#/s/%3Cimg%20src%3Dx%3E"])
  })
})
