/// The latest requests of an origin.
struct RequestLog {
    let capacity: Int
    /// How many requests there were.
    var count = 0
    private var stored: [RequestRecord] = []

    init(capacity: Int) { self.capacity = capacity }

    /// Those remembered, numbered without gaps.
    var records: [RequestRecord] { Array(stored.suffix(capacity)) }

    mutating func append(_ record: RequestRecord) {
        stored.append(record)
        // Dropped in bulk, so that each request costs the same.
        if stored.count >= 2 * capacity { stored.removeFirst(stored.count - capacity) }
    }

    @discardableResult
    mutating func update(_ number: Int, _ change: (inout RequestRecord) -> Void) -> RequestRecord? {
        guard let first = stored.first?.number, stored.indices.contains(number - first) else { return nil }
        change(&stored[number - first])
        return stored[number - first]
    }
}
