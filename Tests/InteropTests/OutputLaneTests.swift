internal import Foundation
internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Real files and pipes beside each other.
@Suite("Outputs beside each other", .inSlots) struct OutputLaneTests {
    private static let file = "main.mp4"

    private func outputs(_ place: TemporaryDirectory) -> [Output] {
        [
            .file(path: place.path("a.ts")), .file(path: place.path("b.mp4")),
            .file(path: place.path("c.framehash"), format: "framehash", decoded: true),
        ]
    }

    /// Plays one flow, whose packets have but one order.
    private func play(_ outputs: [Output]) async throws -> Summary {
        var configuration = Configuration(origins: [Origin(url: Fixtures.path(Self.file))])
        configuration.pacing = .fast
        configuration.flows = .kinds([.video])
        return await (try ResilientStream(configuration: configuration, outputs: outputs) { _ in }).run()
    }

    private func bytes(_ output: Output) throws -> Data {
        guard case .file(let path, _, _, _) = output else { return Data() }
        return try Data(contentsOf: URL(filePath: path))
    }

    @Test("What one has is to the byte what it has alone, though one beside it fails", .timeLimit(.minutes(25)))
    func alike() async throws {
        let (alone, together) = (try TemporaryDirectory(), try TemporaryDirectory())
        for output in outputs(alone) { #expect(try await play([output]).error == nil) }
        let full = Output.file(path: "/dev/full", format: "mpegts")
        let summary = try await play([full] + outputs(together))
        #expect(summary.error?.code == .outputFailed)
        #expect(summary.warnings.contains { $0.contains("/dev/full") && $0.contains("the other outputs go on") })
        for (one, other) in zip(outputs(alone), outputs(together)) {
            let expected = try bytes(one)
            #expect(expected.count > 10_000)
            #expect(try bytes(other) == expected, "\(other)")
        }
    }

    @Test(
        "A FIFO that has joined and that nobody reads holds up neither the stream nor its end",
        .timeLimit(.minutes(25)),
        arguments: [Configuration.Pacing.fast, .realtime])
    func unread(_ pacing: Configuration.Pacing) async throws {
        let place = try TemporaryDirectory()
        try #require(mkfifo(place.path("fifo"), 0o600) == 0)
        var configuration = Configuration(origins: [Origin(url: Fixtures.path(Self.file))])
        (configuration.pacing, configuration.to) = (pacing, .seconds(4))
        let output = Output.file(path: place.path("a.ts"))
        let stream = try ResilientStream(configuration: configuration, outputs: [output])
        try stream.join(.file(path: place.path("fifo"), format: "mpegts"))
        let summary = await stream.run()
        #expect(summary.error == nil)
        #expect(summary.warnings.contains { $0.contains("nobody reads it") }, "\(summary.warnings)")
        #expect(summary.gapCount == 0 && summary.missing == .zero)
        #expect(try bytes(output).count > 10_000)
    }

    @Test(
        "A stop while nobody reads a pipe ends soon, and the file beside it is whole", .timeLimit(.minutes(25)),
        arguments: [Configuration.Pacing.fast, .realtime])
    func stops(_ pacing: Configuration.Pacing) async throws {
        let place = try TemporaryDirectory()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (source, descriptor) = (ends[0], ends[1])
        defer {
            close(source)
            close(descriptor)
        }
        // As little as it can hold: F_SETPIPE_SZ, which Glibc does not have.
        try #require(fcntl(descriptor, 1031, 4096) > 0)
        var configuration = Configuration(origins: [Origin(url: Fixtures.path(Self.file))])
        configuration.pacing = pacing
        let copy = place.path("copy.ts")
        let stream = try ResilientStream(
            configuration: configuration, outputs: [.descriptor(descriptor, format: "mpegts"), .file(path: copy)]
        ) { _ in }
        async let summary = stream.run()
        // The pipe is full, and more waits for it.
        func isFull() -> Bool {
            var writing = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            return poll(&writing, 1, 0) == 0
        }
        while !isFull() || stream.status.npt ?? .zero < .milliseconds(800) {
            try await Task.sleep(for: .milliseconds(5))
        }
        let began = Instant.now
        stream.stop()
        let ended = await summary
        #expect(Instant.now - began < .seconds(5))
        #expect(ended.error?.code == .stopped)
        // All that was presented is in the file.
        let finding = await (try Probe([Origin(url: copy)])).run().origins[0]
        #expect(finding.flows.count >= 3, "\(finding)")
        let reread = try await Play.run([copy], pacing: .fast)
        for (flow, again) in zip(ended.flows, reread.summary.flows) where flow.description.kind != .subtitle {
            #expect(flow.packets > 0 && again.packets == flow.packets, "\(flow) \(again)")
        }
    }
}
