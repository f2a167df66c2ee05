import Throughline
import ThroughlineLab

// Two origins of one film; a viewer pauses, goes on, leaves the first origin for the second, and goes to the end.
let path = CommandLine.arguments.dropFirst().first ?? "film.mp4"
let origins = [
    try await HTTPOrigin.start(serving: ["/film": path]), try await HTTPOrigin.start(serving: ["/film": path]),
]
var configuration = Configuration(origins: origins.map { Origin(url: $0.url(for: "/film")) })
configuration.flows = .kinds([.video, .audio])
let stream = try ResilientStream(configuration: configuration)

async let viewer: Void = {
    for await event in stream.events() {
        switch event.kind {
        case .playing: stream.pause()
        case .paused(true, _): stream.resume()
        case .paused(false, _): try? stream.migrate(to: OriginID(1))
        case .handoff(let report):
            print("handoff to \(report.toURL): \(report.grade)")
            stream.seek(to: .seconds(3600))
        case .ended: print("ended")
        default: break
        }
    }
}()
let summary = await stream.run()
await viewer
print("visible gap \(summary.visibleGap), missing \(summary.missing), duplicate \(summary.duplicate)")
