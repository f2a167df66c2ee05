@testable import ThroughlineProtocols

/// Text as it is written in a test: lines end with LF there, and with CR LF on the wire.
func wire(_ text: String) -> [UInt8] { text.utf8.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] } }

func frame(_ channel: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [UInt8(ascii: "$"), channel, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)] + payload
}

/// What a framer gave out, kept.
enum Framed: Equatable, CustomStringConvertible {
    case message(RTSPMessage)
    case frame(UInt8, [UInt8])

    init(_ element: RTSPFramer.Element) {
        switch element {
        case .message(let message): self = .message(message)
        case .frame(let channel, let payload): self = .frame(channel, [UInt8](payload))
        }
    }

    /// `PLAY rtsp://a/`, `200 "..."` or `$0 12`, for tests that ask for the order only.
    var description: String {
        switch self {
        case .message(.request(let request)): "\(request.method) \(request.uri) body \(request.body.count)"
        case .message(.response(let response)): "\(response.status.code) body \(response.body.count)"
        case .frame(let channel, let payload): "$\(channel) \(payload.count)"
        }
    }
}

extension RTSPFramer {
    /// Feeds `bytes` in pieces of at most `pieces` bytes.
    mutating func framed(_ bytes: [UInt8], pieces: Int = .max) -> [Framed] {
        var elements: [Framed] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            // A buffer of exactly this size, so that a checking allocator sees a byte too many.
            let piece = rest.prefix(pieces)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
            defer { buffer.deallocate() }
            buffer.copyBytes(from: piece)
            feed(UnsafeRawBufferPointer(buffer)) { elements.append(Framed($0)) }
            rest = rest.dropFirst(piece.count)
        }
        return elements
    }

    mutating func finished() -> [Framed] {
        var elements: [Framed] = []
        finish { elements.append(Framed($0)) }
        return elements
    }
}
