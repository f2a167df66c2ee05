internal import Glibc
internal import ThroughlineCore
internal import ThroughlineLab
internal import ThroughlineProtocols

/// A blocking RTSP client that hides nothing: answers, requests of the server, and packets in the order of arrival.
final class RTSPTestClient {
    struct RTP: Equatable {
        let flow: Int
        let sequence: UInt16
        let timestamp: UInt32
        let ssrc: UInt32
        let payload: [UInt8]

        init?(_ bytes: [UInt8], flow: Int) {
            let parsed = bytes.withUnsafeBytes { RTPHeader($0) }
            guard let parsed else { return nil }
            self.flow = flow
            sequence = parsed.sequence
            timestamp = parsed.timestamp
            ssrc = parsed.ssrc
            payload = Array(bytes[parsed.payload])
        }
    }

    let url: String
    private(set) var packets: [RTP] = []
    private(set) var reports: [(flow: Int, packet: RTCPPacket)] = []
    private(set) var requests: [RTSPRequest] = []
    private(set) var ending = RawClient.Ending.complete
    private(set) var session: String?
    private(set) var skippedBytes = 0
    /// How many of the packets had come before the latest answer.
    private(set) var packetsBeforeAnswer = 0
    private let raw: RawClient
    private var framer = RTSPFramer()
    private var responses: [RTSPResponse] = []
    private var cseq = 0

    init(_ origin: RTSPOrigin, path: String = "/main.mkv", patience: Duration = .seconds(20)) throws {
        url = origin.url(for: path)
        raw = try RawClient(port: origin.port, patience: patience)
        framer.channels = InterleavedChannels(0...9)
    }

    /// Sends a request and does not wait.
    func send(_ method: RTSPMethod, _ suffix: String = "", _ headers: [(RTSPHeaders.Name, String)] = []) {
        cseq += 1
        var all = RTSPHeaders([(.cseq, "\(cseq)")])
        if let session, !headers.contains(where: { $0.0 == .session }) { all.add(.session, session) }
        for (name, value) in headers { all.add(name, value) }
        raw.send(RTSPRequest(method: method, uri: url + suffix, headers: all).serialized())
    }

    func send(raw bytes: [UInt8]) { raw.send(bytes) }

    /// Sends a request and reads until its answer has come.
    func ask(
        _ method: RTSPMethod, _ suffix: String = "", _ headers: [(RTSPHeaders.Name, String)] = []
    ) throws -> RTSPResponse {
        send(method, suffix, headers)
        return try answer()
    }

    func answer() throws -> RTSPResponse {
        read { !$0.responses.isEmpty }
        guard !responses.isEmpty else { throw RawClient.Failure(description: "no answer: \(ending)") }
        let response = responses.removeFirst()
        if let id = response.headers.session?.id { session = id }
        return response
    }

    /// Reads until something holds, or the connection ends.
    func read(until condition: (RTSPTestClient) -> Bool) {
        while !condition(self), ending == .complete {
            let (bytes, ending) = raw.read()
            self.ending = ending
            bytes.withUnsafeBytes { framer.feed($0) { take($0) } }
            skippedBytes = framer.skippedBytes
        }
    }

    private func take(_ element: RTSPFramer.Element) {
        switch element {
        case .message(.response(let response)):
            responses.append(response)
            packetsBeforeAnswer = packets.count
        case .message(.request(let request)): requests.append(request)
        case .frame(let channel, let payload):
            let flow = Int(channel / 2)
            if channel % 2 == 0, let packet = RTP(Array(payload), flow: flow) { packets.append(packet) }
            if channel % 2 == 1 {
                for packet in RTCPPacket.parse(payload) ?? [] { reports.append((flow, packet)) }
            }
        }
    }

    func forget() {
        packets = []
        reports = []
    }

    func patience(_ time: Duration) { raw.setPatience(time) }

    /// Sets flows up over TCP, each on the channels of its number.
    func setUp(_ flows: Int...) throws {
        for flow in flows {
            let answer = try ask(
                .setup, "/stream=\(flow)",
                [(.transport, RTSPTransport.interleaved(UInt8(2 * flow)...UInt8(2 * flow + 1)).description)])
            guard answer.status == .ok else { throw RawClient.Failure(description: "SETUP: \(answer.status)") }
        }
    }

    /// PLAY; what came before it is forgotten.
    func play(_ range: String? = nil, _ headers: [(RTSPHeaders.Name, String)] = []) throws -> RTSPResponse {
        forget()
        return try ask(.play, "", (range.map { [(.range, $0)] } ?? []) + headers)
    }

    /// How many flows have said goodbye.
    var goodbyes: Int {
        reports.count { if case .bye = $0.packet { true } else { false } }
    }

    func readToEnd(flows: Int) { read { $0.goodbyes >= flows } }

    func packets(of flow: Int) -> [RTP] { packets.filter { $0.flow == flow } }
}

extension RTSPResponse {
    func info(_ flow: Int) -> RTPInfo.Entry? {
        headers.rtpInfo?.entries.first { $0.url?.hasSuffix("/stream=\(flow)") ?? false }
    }
}

/// What a play from the beginning to the end delivers: payloads, and times from NPT 0 in ticks.
struct WholePlay: Sendable {
    struct Piece: Equatable, Sendable {
        let ticks: Int32
        let payload: [UInt8]
    }

    /// By flow.
    let pieces: [[Piece]]
    /// RTP bytes before each packet, in the order of delivery, and in all.
    let offsets: [Int]

    static func of(_ packets: [RTSPTestClient.RTP], _ answer: RTSPResponse, flow: Int, npt: Int64 = 0, rate: Int64)
        -> [Piece]
    {
        let base = answer.info(flow)?.timestamp ?? 0
        return packets.filter { $0.flow == flow }.map {
            Piece(
                ticks: Int32(bitPattern: $0.timestamp &- base) &+ Int32(truncatingIfNeeded: npt * rate),
                payload: $0.payload)
        }
    }

    init(_ origin: RTSPOrigin) throws {
        let client = try RTSPTestClient(origin)
        try client.setUp(0, 1, 2)
        let answer = try client.play()
        client.readToEnd(flows: 3)
        pieces = [(0, 90_000), (1, 48_000), (2, 44_100)].map { flow, rate in
            Self.of(client.packets, answer, flow: flow, rate: rate)
        }
        var offsets = [0]
        for packet in client.packets { offsets.append((offsets.last ?? 0) + packet.payload.count + 12) }
        self.offsets = offsets
    }
}

enum LabFixtures {
    static let path =
        String(#filePath.dropLast("/Tests/ThroughlineLabTests/RTSP/RTSPTestClient.swift".count)) + "/Fixtures"
}
