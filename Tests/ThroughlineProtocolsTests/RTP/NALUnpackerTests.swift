internal import Testing
internal import ThroughlineProtocols

/// What payloads of H.264 and HEVC are taken apart into.
@Suite struct NALUnpackerTests {
    /// The pieces as bytes, each behind `|`, or behind `+` where it is a later fragment; and whether all was in order.
    private func unpacked(
        _ payload: [UInt8], _ codec: VideoCodec, parameters: String? = nil
    ) -> (pieces: [[UInt8]], starts: [PieceStart], isGood: Bool) {
        var pieces: [[UInt8]] = []
        var starts: [PieceStart] = []
        let isGood = payload.withUnsafeBytes { bytes in
            NALUnpacker(codec, parameters: parameters).unpack(bytes) { piece in
                var unit: [UInt8] = []
                if let header = piece.header { unit += [header.0] + (header.1.map { [$0] } ?? []) }
                pieces.append(unit + bytes[piece.range])
                starts.append(piece.start)
            }
        }
        return (pieces, starts, isGood)
    }

    @Test(
        "H.264",
        arguments: [
            ([0x65, 0x88, 1], [[0x65, 0x88, 1]], [.picture], true),
            // STAP-A of parameter sets and a slice.
            (
                [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2, 0, 3, 0x65, 0x88, 3], [[0x67, 1], [0x68, 2], [0x65, 0x88, 3]],
                [.prefix, .prefix, .picture], true
            ),
            // FU-A: first, middle and last.
            ([0x7C, 0x85, 0x88, 1], [[0x65, 0x88, 1]], [.picture], true),
            ([0x5C, 0x81, 0x40, 1], [[0x41, 0x40, 1]], [.slice], true),
            ([0x7C, 0x05, 2], [[2]], [.fragment], true), ([0x7C, 0x45, 3], [[3]], [.fragment], true),
            // Cut off: what came before is given.
            ([0x78, 0, 2, 0x67, 1, 0, 9, 0x68], [[0x67, 1]], [.prefix], false),
            ([0x78, 0, 2, 0x67, 1, 0], [[0x67, 1]], [.prefix], false), ([0x78], [], [], false),
            ([0x7C, 0x85], [], [], false), ([], [], [], false),
            // Interleaved.
            ([0x79, 0, 1, 0, 2, 0x67, 1], [], [], false), ([0x7D, 0x85, 0, 1, 2], [], [], false),
        ] as [([UInt8], [[UInt8]], [PieceStart], Bool)])
    func h264(payload: [UInt8], pieces: [[UInt8]], starts: [PieceStart], isGood: Bool) {
        let found = unpacked(payload, .h264)
        #expect(found.pieces == pieces && found.starts == starts && found.isGood == isGood, "\(found)")
    }

    @Test(
        "HEVC",
        arguments: [
            ([0x26, 1, 0x80, 5], [[0x26, 1, 0x80, 5]], [.picture], true),
            // Aggregation packet.
            (
                [0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x02, 1, 0x50], [[0x40, 1, 7], [0x02, 1, 0x50]], [.prefix, .slice],
                true
            ),
            // Fragmentation units.
            ([0x62, 1, 0x93, 0x80, 5], [[0x26, 1, 0x80, 5]], [.picture], true),
            ([0x62, 1, 0x13, 6], [[6]], [.fragment], true), ([0x62, 1, 0x53, 7], [[7]], [.fragment], true),
            ([0x62, 1, 0x93], [], [], false), ([0x64, 1, 0, 0], [], [], false), ([0x26, 0, 1, 2], [], [], false),
            ([0x60, 1, 0, 9, 0x40], [], [], false),
        ] as [([UInt8], [[UInt8]], [PieceStart], Bool)])
    func hevc(payload: [UInt8], pieces: [[UInt8]], starts: [PieceStart], isGood: Bool) {
        let found = unpacked(payload, .hevc)
        #expect(found.pieces == pieces && found.starts == starts && found.isGood == isGood, "\(found)")
    }

    @Test(
        "HEVC with decoding order numbers",
        arguments: [
            ([0x26, 1, 0, 9, 0x80, 5], [[0x26, 1, 0x80, 5]]),
            ([0x60, 1, 0, 9, 0, 3, 0x40, 1, 7, 4, 0, 3, 0x02, 1, 0x50], [[0x40, 1, 7], [0x02, 1, 0x50]]),
            ([0x62, 1, 0x93, 0, 9, 0x80, 5], [[0x26, 1, 0x80, 5]]), ([0x62, 1, 0x13, 6], [[6]]),
        ] as [([UInt8], [[UInt8]])])
    func orderNumbers(payload: [UInt8], pieces: [[UInt8]]) {
        let found = unpacked(payload, .hevc, parameters: "sprop-max-don-diff=2")
        #expect(found.pieces == pieces && found.isGood, "\(found)")
        #expect(unpacked(payload, .hevc, parameters: "sprop-max-don-diff=0").pieces != pieces || payload.count == 4)
    }
}
