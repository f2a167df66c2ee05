internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct MuxerTests {
        /// A file as it comes out of a muxer.
        static func remuxed(
            _ name: String, to format: String?, name path: String? = nil, isSeekable: Bool, limit: Int = .max
        ) throws -> (bytes: [UInt8], leftOut: [String], container: String) {
            let demuxer = try Demuxer.opening(name)
            let output = MemoryOutput(isSeekable: isSeekable)
            output.limit = limit
            let muxer = try Muxer(format: format, name: path, flows: demuxer.flows, output: output)
            // Muxers demand decode times.
            var clocks = demuxer.flows.map { DecodeClock(timeBase: $0.timeBase, reorderDepth: $0.reorderDepth) }
            while var packet = try demuxer.read() {
                let times = clocks[packet.flow].next(pts: packet.pts, dts: packet.dts, duration: packet.duration)
                packet.pts = times.pts
                packet.dts = times.dts
                try muxer.write(packet)
            }
            try muxer.flush()
            try muxer.finish()
            try muxer.finish()
            return (output.bytes, muxer.leftOut.map(\.codecName), muxer.container)
        }

        @Test(arguments: [
            ("main.mp4", "mp4", true), ("main.mp4", "mp4", false), ("main.mp4", "matroska", true),
            ("main.mp4", "matroska", false), ("main.mp4", "mpegts", false), ("main.ts", "mpegts", true),
            ("main.mkv", "mp4", false), ("main.mkv", "matroska", true), ("main.mkv", "mpegts", false),
            ("hevc.mp4", "mpegts", false), ("hevc.mp4", "mp4", true), ("opengop.mp4", "mpegts", false),
            ("vfr.mkv", "mp4", true),
        ])
        func thereAndBack(_ name: String, _ format: String, isSeekable: Bool) throws {
            let original = try Demuxer.opening(name)
            let before = original.records()
            let (bytes, leftOut, container) = try Self.remuxed(name, to: format, isSeekable: isSeekable)
            #expect(container == format)
            let copy = try Demuxer(input: MemoryInput(bytes))
            let after = copy.records()
            let ours = Demuxer.fingerprints(before, of: original.flows)
            let theirs = Demuxer.fingerprints(after, of: copy.flows)
            let carried = original.flows.filter { !leftOut.contains($0.codecName) }
            #expect(carried.map(\.kind) == copy.flows.map(\.kind))
            for (new, flow) in carried.enumerated() where !flow.isSparse {
                #expect(ours[flow.index] == theirs[new], "\(flow)")
                let a = before.filter { $0.flow == flow.index }
                let b = after.filter { $0.flow == new }
                let worst = zip(a, b).dropFirst().compactMap { a, b in
                    a.pts.flatMap { a in b.pts.map { (a - $0).magnitude } }
                }.max()
                #expect(try #require(worst) <= .milliseconds(2), "\(flow): \(worst!)")
            }
        }

        /// Decoders, and time bases that are coarser, do what they like.
        @Test(arguments: ["mp4", "matroska", "mpegts", "framehash", "flv"])
        func timesThatDoNotIncreaseAreNoReasonToGiveUp(_ format: String) throws {
            let demuxer = try Demuxer.opening("main.mp4")
            let output = MemoryOutput(isSeekable: true)
            let flows = demuxer.flows.filter { $0.index < 2 }
            let muxer = try Muxer(format: format, name: nil, flows: flows, output: output)
            var counts = [0, 0]
            while var packet = try demuxer.read() {
                if packet.flow < 2, counts[packet.flow] < 100 {
                    counts[packet.flow] += 1
                    let step = Int64(counts[packet.flow])
                    // Two at one time, some closer than a container can tell, and leaps back.
                    let time = MediaTime.milliseconds((step % 10 < 5 ? 40 : 37) * (step / 2)) + MediaTime(flicks: step)
                    packet.dts = time
                    packet.pts = step % 7 == 0 ? time - .milliseconds(50) : time
                    try muxer.write(packet)
                }
            }
            try muxer.finish()
            #expect(output.bytes.count > 1000)
            if format != "framehash" {
                let copy = try Demuxer(input: MemoryInput(output.bytes)).records()
                for flow in 0..<2 { #expect(copy.count { $0.flow == flow } >= counts[flow] - 1) }
            }
        }

        @Test func whatAContainerCannotCarryIsLeftOut() throws {
            #expect(try Self.remuxed("main.mp4", to: "mpegts", isSeekable: false).leftOut == ["mov_text"])
            #expect(try Self.remuxed("main.mkv", to: "mp4", isSeekable: true).leftOut == ["subrip"])
            #expect(try Self.remuxed("main.mp4", to: "mp4", isSeekable: true).leftOut.isEmpty)
        }

        @Test func theNameTellsTheContainer() throws {
            #expect(try Self.remuxed("main.mp4", to: nil, name: "/tmp/a.mkv", isSeekable: true).container == "matroska")
            #expect(try Self.remuxed("main.mp4", to: nil, name: "a.ts", isSeekable: false).container == "mpegts")
        }

        @Test func aPipeOfMP4CanBeReadFromTheFront() throws {
            let (bytes, _, _) = try Self.remuxed("main.mp4", to: "mp4", isSeekable: false)
            let demuxer = try Demuxer(input: MemoryInput(bytes, isSeekable: false))
            #expect(demuxer.records().count { $0.flow == 0 } == 300)
        }

        @Test func anUnknownContainerIsAnError() throws {
            let flows = try Demuxer.opening("main.mp4").flows
            for (format, name) in [("nonsense", nil), (nil, "file.nonsense"), (nil, nil)] as [(String?, String?)] {
                #expect(throws: MediaError.self) {
                    _ = try Muxer(format: format, name: name, flows: flows, output: MemoryOutput(isSeekable: true))
                }
            }
        }

        @Test func nothingToCarryIsAnError() throws {
            let demuxer = try Demuxer.opening("subs.mkv")
            let subtitles = demuxer.flows.filter { $0.kind == .subtitle }
            #expect(throws: MediaError.self) {
                _ = try Muxer(
                    format: "mpegts", name: nil, flows: subtitles, output: MemoryOutput(isSeekable: false))
            }
            #expect(throws: MediaError.self) {
                _ = try Muxer(format: "mpegts", name: nil, flows: [], output: MemoryOutput(isSeekable: false))
            }
        }

        @Test(arguments: [0, 1, 100, 70_000, 200_000])
        func anOutputThatTakesNoMoreIsAnError(_ limit: Int) throws {
            for format in ["mpegts", "mp4", "matroska"] {
                #expect(throws: MediaError.self, "\(format)") {
                    _ = try Self.remuxed("main.mp4", to: format, isSeekable: false, limit: limit)
                }
            }
        }

        @Test func flushingMakesWhatWasWrittenReadable() throws {
            let demuxer = try Demuxer.opening("main.mp4")
            let output = MemoryOutput(isSeekable: false)
            let muxer = try Muxer(format: "mpegts", name: nil, flows: demuxer.flows, output: output)
            for _ in 0..<300 {
                guard let packet = try demuxer.read() else { break }
                try muxer.write(packet)
            }
            try muxer.flush()
            let reader = try Demuxer(input: MemoryInput(output.bytes))
            #expect(reader.records().count > 280)
            try muxer.finish()
        }
    }
}
