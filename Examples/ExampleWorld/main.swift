import Throughline
import ThroughlineLab

let summary = try SimulatedWorld(seed: 7).run { world in
    let dying = try world.serve(["/film.mp4": "film.mp4"], faults: [Fault(parsing: "stall@50%"), Fault(.silent)])
    let healthy = try world.serve(["/film.mp4": "film.mp4"])
    let origins = [dying, healthy].map { Origin(url: $0.url(for: "/film.mp4")) }
    let stream = try ResilientStream(configuration: Configuration(origins: origins))
    world.at(.seconds(3)) { stream.pause() }
    world.at(.seconds(3603)) { stream.resume() }
    return world.play(stream)
}
print(Report(summary).json)
