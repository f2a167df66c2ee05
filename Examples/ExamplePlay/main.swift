import Throughline

let origins = CommandLine.arguments.dropFirst().map { Origin(url: $0) }
let stream = try ResilientStream(
    configuration: Configuration(origins: origins), outputs: [.file(path: "copy.mp4")], onEvent: { print($0.json) })
let summary = await stream.run()
print(summary.handoffCount, summary.visibleGap, summary.error?.message ?? "played to the end")
