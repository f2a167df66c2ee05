internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What is known of one flow over RTP: from its description, and from what came in band.
struct RTPFlowFormat {
    private(set) var format: FlowFormat {
        didSet { form = Self.form(of: format, video) }
    }
    /// How the packets carry their payload.
    private(set) var form: PayloadForm
    /// Whether all is known that a muxer needs.
    private(set) var isKnown: Bool
    let video: VideoCodec?
    /// Of pictures whose size stands in the stream alone.
    let pictures: PictureHeader.Codec?
    /// What decoders need before a key frame: as described, or as last seen in band.
    private(set) var sets = ParameterSets()
    private(set) var order: PictureOrder?
    /// Puts `sets` in front of key frames that come without.
    private(set) var repacker: Repacker?
    /// Of a frame of sound, where all are alike.
    private(set) var frameDuration: MediaTime?
    private let describedRate: Rate?

    /// - Throws: `MediaError` when there is no memory.
    init(_ described: FlowFormat, medium: MediaDescription, index: Int) throws(MediaError) {
        describedRate = medium.frameRate
        video = described.payloadCodec.video
        pictures = PictureHeader.Codec(rawValue: described.codecName)
        var details = FlowFormat.Details()
        details.language = medium.language.flatMap { LanguageTag.threeLetters($0) }
        isKnown = true
        if described.codecName == "none" { details.codecName = "klv" }
        if described.codecName == "aac" {
            let configuration = described.withExtradata { try? AudioSpecificConfig(parsing: $0) }
            if let configuration {
                details.frameSize = configuration.samplesPerFrame
                details.sampleRate = configuration.extensionFrequencyHz ?? configuration.samplingFrequencyHz
                let channels = Int(configuration.channelConfiguration)
                if (1...6).contains(channels) { details.channels = channels }
                if channels == 7 { details.channels = 8 }
                frameDuration = configuration.samplesPerFrame.flatMap {
                    MediaTime(
                        value: Int64($0), timeBase: TimeBase(1, Int32(clamping: configuration.samplingFrequencyHz)))
                }
            }
            isKnown = configuration != nil
        }
        if ["mp2", "mp3"].contains(described.codecName) { isKnown = false }
        if described.kind == .video, video == nil, let rate = describedRate { details.frameRate = rate }
        if let pictures, described.width == 0 || described.height == 0 {
            let size = described.withExtradata { PictureHeader($0, codec: pictures).size }
            details.size = size.map { ($0.width, $0.height) }
            isKnown = size != nil
        }
        format = try described.completed(details, index: index)
        form = Self.form(of: format, video)
        if video != nil {
            isKnown = false
            try learn(described.parameterSets)
        }
    }

    /// Parameter sets have come in band, or in the description. Those that are not complete say nothing.
    mutating func learn(_ found: ParameterSets) throws(MediaError) {
        guard let video, found != sets, found.kinds.isSuperset(of: .needed(by: video)),
            let order = PictureOrder(found, codec: video),
            let first = found.sequence.first?.withUnsafeBytes({ try? SequenceParameterSet(unit: $0, codec: video) })
        else { return }
        sets = found
        self.order = order
        repacker = try? Repacker(from: .annexB(video), to: .annexB(video), parameterSets: found)
        // Muxers have been told by now; what changes later they take from the packets.
        guard !isKnown else { return }
        var details = FlowFormat.Details()
        details.size = (first.width, first.height)
        details.reorderDepth = order.reordering.initial
        details.frameRate = order.frameRate ?? describedRate
        details.extradata = (found.video + found.sequence + found.picture).flatMap { [0, 0, 0, 1] + $0 }
        format = try format.completed(details)
        isKnown = true
    }

    /// The first picture that can be decoded alone tells its size, which the description leaves open.
    mutating func learn(_ picture: PictureHeader, of bytes: [UInt8]) throws(MediaError) {
        guard !isKnown, let size = picture.size else { return }
        var details = FlowFormat.Details()
        details.size = (size.width, size.height)
        // Muxers want to have them before the first picture.
        let isBare = format.withExtradata { $0.isEmpty }
        if pictures == .mpeg4, isBare { details.extradata = Array(bytes.prefix(picture.headerCount)) }
        format = try format.completed(details)
        isKnown = true
    }

    /// The first frame of MPEG audio tells what the description leaves open.
    mutating func learn(_ header: MPEGAudioHeader) throws(MediaError) {
        guard !isKnown else { return }
        var details = FlowFormat.Details()
        // The description calls all layers the same.
        details.codecName = ["mp1", "mp2", "mp3"][header.layer - 1]
        details.sampleRate = header.samplingFrequencyHz
        details.channels = header.channels
        details.frameSize = header.samples
        // That of the timestamps cannot count samples.
        details.timeBase = TimeBase(1, Int32(header.samplingFrequencyHz))
        format = try format.completed(details)
        isKnown = true
    }

    var frameRate: Rate? { order?.frameRate ?? describedRate }

    var reordering: ReorderDepth {
        if let order { return order.reordering }
        // Codecs with B pictures that nothing refers to, and without a word on whether there are any.
        return ["mpeg4", "mpeg1video", "mpeg2video"].contains(format.codecName) ? .unstated(atMost: 1) : .none
    }

    private static func form(of format: FlowFormat, _ video: VideoCodec?) -> PayloadForm {
        if let video { return .annexB(video) }
        return format.withExtradata { PayloadForm.detect(codec: format.payloadCodec, extradata: $0, firstPacket: nil) }
    }
}
