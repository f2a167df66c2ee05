internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

extension MediaTests {
    /// Decode times made from the presentation times of real files alone, as from RTP, beside those that the files state.
    @Suite struct DecodeTimesTests {
        /// Frames of one flow, in presentation order.
        private struct Shown: Hashable {
            var pts: MediaTime?
            var luma: [Float]
        }

        private static func form(of flow: FlowFormat, first: [UInt8]) -> PayloadForm {
            let codec: PayloadForm.Codec = flow.codecName == "h264" ? .h264 : .hevc
            return first.withUnsafeBytes { first in
                flow.withExtradata { PayloadForm.detect(codec: codec, extradata: $0, firstPacket: first) }
            }
        }

        /// As an ingest would set it up: from the parameter sets, be they out of band or in the first packet.
        private static func made(for flow: FlowFormat, form: PayloadForm, first: [UInt8]) throws -> DecodeTimes {
            let codec: VideoCodec = flow.codecName == "h264" ? .h264 : .hevc
            var order = flow.withExtradata { extradata in
                (try? ParameterSets(codec: codec, extradata: extradata)).flatMap { PictureOrder($0, codec: codec) }
            }
            if order == nil {
                order = first.withUnsafeBytes { first in
                    (try? ParameterSets(payload: first, form: form)).flatMap { PictureOrder($0, codec: codec) }
                }
            }
            let found = try #require(order)
            #expect(found.reordering == .stated(flow.reorderDepth))
            #expect(found.frameRate == Rate(25))
            #expect(found.isFrameOnly)
            return DecodeTimes(
                timeBase: flow.timeBase, reordering: found.reordering, frameDuration: found.frameRate?.frameDuration)
        }

        private static func isRefresh(_ payload: [UInt8], form: PayloadForm) -> Bool {
            payload.withUnsafeBytes { AccessUnitInspector(form: form)?.inspect($0)?.entry == .idr }
        }

        @Test(arguments: [
            ("main.mp4", true), ("main-faststart.mp4", true), ("main-fragmented.mp4", true), ("main.ts", true),
            ("main.mkv", true), ("offset.ts", true), ("wrap.ts", true), ("data.ts", true), ("edits.mp4", true),
            ("other.mp4", true), ("other.ts", true), ("other-opengop.mp4", true), ("opengop.mp4", true),
            ("opengop.ts", true), ("hevc.mp4", true), ("hevc.ts", true), ("wrong.mp4", true), ("vfr.mp4", false),
            ("vfr.mkv", false),
        ])
        func theyAreThoseOfTheFile(_ name: String, isConstant: Bool) throws {
            let demuxer = try Demuxer.opening(name)
            let flow = try #require(demuxer.flows.first { $0.kind == .video })
            let packets = demuxer.records().filter { $0.flow == flow.index }
            let first = try #require(packets.first)
            let form = Self.form(of: flow, first: first.payload)
            var made = try Self.made(for: flow, form: form, first: first.payload)
            let told = made.depth
            // Containers round: to a millisecond in Matroska.
            let rounding = try #require(MediaTime(value: 1, timeBase: flow.timeBase))
            var last: MediaTime?
            var compared = 0
            for (place, packet) in packets.enumerated() {
                let pts = try #require(packet.pts)
                let time = made.next(pts: pts, isRefresh: Self.isRefresh(packet.payload, form: form))
                let dts = try #require(time)
                #expect(dts <= pts)
                if let last {
                    #expect(dts > last)
                    if isConstant { #expect((dts - last - .milliseconds(40)).magnitude <= rounding) }
                }
                last = dts
                // At variable rate encoders count the first decode times in another way.
                if let original = packet.dts, isConstant || place >= told {
                    #expect((dts - original).magnitude <= rounding, "\(place)")
                    compared += 1
                }
            }
            #expect(compared >= packets.count - 2)
            #expect(compared >= 100)
            #expect(made.depth == told)
        }

        /// What a viewer sees of a file: every picture and when.
        private static func shown(_ bytes: [UInt8]) throws -> [Shown] {
            let demuxer = try Demuxer(input: MemoryInput(bytes))
            let flow = try #require(demuxer.flows.first { $0.kind == .video })
            demuxer.select { $0.kind == .video }
            let decoder = try Decoder(flow: flow)
            var shown: [Shown] = []
            func look(_ frame: borrowing DecodedFrame) {
                shown.append(Shown(pts: frame.pts, luma: frame.lumaGrid(columns: 40, rows: 24) ?? []))
            }
            while let packet = try demuxer.read() { decoder.decode(packet) { look($0) } }
            decoder.drain { look($0) }
            #expect(decoder.errorCount == 0)
            return shown
        }

        /// The pictures of a file, with decode times that were thrown away and made anew.
        private static func remade(_ name: String, to format: String) throws -> [UInt8] {
            let demuxer = try Demuxer.opening(name)
            let flow = try #require(demuxer.flows.first { $0.kind == .video })
            demuxer.select { $0.kind == .video }
            let output = MemoryOutput(isSeekable: true)
            let muxer = try Muxer(format: format, name: nil, flows: [flow], output: output)
            var form: PayloadForm?
            var made: DecodeTimes?
            while var packet = try demuxer.read() {
                let payload = packet.withPayload { Array($0) }
                let found = form ?? Self.form(of: flow, first: payload)
                form = found
                if made == nil { made = try Self.made(for: flow, form: found, first: payload) }
                packet.dts = made?.next(pts: packet.pts, isRefresh: Self.isRefresh(payload, form: found))
                try muxer.write(packet)
            }
            try muxer.finish()
            return output.bytes
        }

        @Test(arguments: [
            ("main.mp4", "mpegts"), ("main.ts", "mpegts"), ("main.mkv", "mp4"), ("hevc.mp4", "mpegts"),
            ("hevc.ts", "mpegts"), ("opengop.mp4", "mpegts"), ("opengop.ts", "mpegts"), ("vfr.mp4", "mp4"),
            ("vfr.mkv", "mp4"), ("vfr.mp4", "matroska"), ("other-opengop.mp4", "mp4"),
        ])
        func muxersTakeThemAndPlayersShowTheSame(_ name: String, _ format: String) throws {
            let before = try Self.shown(Fixture.bytes(name))
            let after = try Self.shown(Self.remade(name, to: format))
            #expect(before.count >= 200)
            #expect(before.map(\.luma) == after.map(\.luma))
            // A container may begin to count elsewhere, and round.
            let starts = try (#require(before.first?.pts), #require(after.first?.pts))
            for (a, b) in zip(before, after) {
                guard let a = a.pts, let b = b.pts else { continue }
                #expect(((a - starts.0) - (b - starts.1)).magnitude <= .milliseconds(1))
            }
        }

        /// Playing starts in the middle of an open GOP, and the parameter sets say nothing or too little.
        /// The depth in use may be less than the one told: two B pictures in a row are no pyramid.
        @Test(arguments: [("opengop.mp4", 2), ("opengop.ts", 2), ("other-opengop.mp4", 1), ("hevc.mp4", 2)])
        func theyHoldWhereverPlayingStarts(_ name: String, inUse: Int) throws {
            let demuxer = try Demuxer.opening(name)
            let flow = try #require(demuxer.flows.first { $0.kind == .video })
            let packets = demuxer.records().filter { $0.flow == flow.index }
            let first = try #require(packets.first)
            let form = Self.form(of: flow, first: first.payload)
            let keys = packets.indices.filter { packets[$0].isKey }
            #expect(keys.count >= 3)
            for (start, depth) in keys.flatMap({ key in [(key, 1), (key, flow.reorderDepth), (key, 0)] }) {
                var made = DecodeTimes(timeBase: flow.timeBase, reordering: .stated(depth), frameDuration: nil)
                var last: MediaTime?
                for (place, packet) in packets[start...].enumerated() {
                    let pts = try #require(packet.pts)
                    let time = made.next(pts: pts, isRefresh: Self.isRefresh(packet.payload, form: form))
                    let dts = try #require(time)
                    if let last { #expect(dts > last) }
                    // A depth told too small is made up for within a group.
                    if depth == flow.reorderDepth || place >= 60 { #expect(dts <= pts) }
                    last = dts
                }
                #expect(made.depth == max(depth, inUse))
            }
        }
    }
}
