/// The frames of sound that lie one behind the other in a packet: a server may send several together where a container has
/// each in a packet of its own, and a frame is to be recognised in either.
///
/// AC-3 (RFC 4184) and AMR (RFC 4867, as libavformat hands it out: each frame behind its own table entry). Opus has one
/// packet in each (RFC 7587), AAC and MPEG audio are taken apart elsewhere, and PCM and its like have samples and no frames:
/// those are joined by their times.
package enum SoundFrames: Hashable, Sendable {
    case ac3, amrNarrow, amrWide

    /// - Parameter codecName: FFmpeg's.
    package init?(codecName: String) {
        switch codecName {
        case "ac3": self = .ac3
        case "amr_nb": self = .amrNarrow
        case "amr_wb": self = .amrWide
        default: return nil
        }
    }

    /// Where the frames lie, at most 64 of them. What is not made of whole frames from its first byte to its last is left
    /// together.
    package func split(_ bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
        var frames: [Range<Int>] = []
        var offset = 0
        while offset < bytes.count {
            let left = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            guard let length = length(left), length <= left.count, frames.count < 64 else { return [0..<bytes.count] }
            frames.append(offset..<offset + length)
            offset += length
        }
        return frames
    }

    /// Of the frame that begins here, in bytes.
    private func length(_ bytes: UnsafeRawBufferPointer) -> Int? {
        switch self {
        case .ac3: Self.lengthOfAC3(bytes)
        case .amrNarrow: 1 + Self.narrow[Int(bytes[0] >> 3 & 0x0F)]
        case .amrWide: 1 + Self.wide[Int(bytes[0] >> 3 & 0x0F)]
        }
    }

    /// Bytes of speech behind the table entry, by frame type (3GPP TS 26.101 and 26.201).
    private static let narrow = [12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0]
    private static let wide = [17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0]

    /// ETSI TS 102 366 sections 4.3 and 4.4.1.
    private static func lengthOfAC3(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 6, bytes[0] == 0x0B, bytes[1] == 0x77, bytes[5] >> 3 <= 10 else { return nil }
        let code = Int(bytes[4] & 0x3F)
        guard code < 38 else { return nil }
        let kilobits = rates[code / 2]
        switch bytes[4] >> 6 {
        case 0: return kilobits * 4
        case 1: return (kilobits * 96_000 / 44_100 + code % 2) * 2
        case 2: return kilobits * 6
        default: return nil
        }
    }

    private static let rates = [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
    ]
}
