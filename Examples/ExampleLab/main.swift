import Throughline
import ThroughlineLab

let dying = try await HTTPOrigin.start(
    serving: ["/film.mp4": "film.mp4"], faults: [Fault(parsing: "reset@50%"), Fault(.refuse)])
let healthy = try await HTTPOrigin.start(serving: ["/film.mp4": "film.mp4"])

var configuration = Configuration(origins: [dying, healthy].map { Origin(url: $0.url(for: "/film.mp4")) })
configuration.pacing = .fast
let summary = try await ResilientStream(configuration: configuration).run()
print(summary.handoffs.map(\.grade.rawValue), summary.missing, summary.duplicate)
