/// Finds pictures of the fixtures in what a player writes, and reads the number that each of them shows.
///
/// Every picture of the fixtures has its number along the top edge: ten squares of 16 x 16 pixels, square k white when
/// bit k is set. So it is the pictures that count, and not what a player says of itself.
struct PictureReader {
    enum Form: Sendable {
        /// Planes of 4:2:0, 320 x 180, and nothing else.
        case raw
        /// The same, with a line before each picture (`FRAME`), and others at the beginning of a stream.
        case lines
        /// What mpv draws on a terminal of 80 columns: a cell is a space with a background colour.
        case cells
    }

    private static let width = 320
    private static let pictureSize = width * 180 * 3 / 2
    /// Longer lines are no headers: something else was written.
    private static let lineLimit = 512

    private let form: Form
    private var buffer: [UInt8] = []
    /// With lines: a picture comes next, and not a line.
    private var isInPicture = false

    init(_ form: Form) { self.form = form }

    /// The numbers of the pictures that are complete with these bytes.
    mutating func read(_ bytes: some Sequence<UInt8>) throws -> [Int] {
        buffer += bytes
        var numbers: [Int] = []
        var start = 0
        loop: while true {
            let rest = buffer[start...]
            switch form {
            case .raw:
                guard rest.count >= Self.pictureSize else { break loop }
                numbers.append(number(of: rest))
                start += Self.pictureSize
            case .lines where isInPicture:
                guard rest.count >= Self.pictureSize else { break loop }
                numbers.append(number(of: rest))
                start += Self.pictureSize
                isInPicture = false
            case .lines:
                guard let end = rest.prefix(Self.lineLimit).firstIndex(of: 0x0a) else {
                    if rest.count < Self.lineLimit { break loop }
                    throw BenchFailure(description: "what the player wrote is no series of pictures")
                }
                isInPicture = rest[start..<end].elementsEqual("FRAME".utf8)
                start = end + 1
            case .cells:
                // The first row is enough; drawing of a picture begins with the cursor at the top.
                guard let top = rest.firstRange(of: Array("\u{1B}[0;0f".utf8)) else { break loop }
                guard let number = Self.number(ofCells: rest[top.upperBound...]) else { break loop }
                numbers.append(number)
                start = top.upperBound
            }
        }
        buffer.removeFirst(start)
        return numbers
    }

    private func number(of picture: ArraySlice<UInt8>) -> Int {
        (0..<10).reduce(0) { $0 | (picture[picture.startIndex + 8 * Self.width + 16 * $1 + 8] > 128 ? 1 << $1 : 0) }
    }

    /// Of the first 40 cells, four to a square: their colours are `ESC [48;2;RED;GREEN;BLUE m`, then a space.
    private static func number(ofCells bytes: ArraySlice<UInt8>) -> Int? {
        var cells = 0
        var number = 0
        var colour: [Int] = []
        for byte in bytes {
            switch byte {
            case 0x1b: colour = [0]
            case 0x30...0x39 where !colour.isEmpty && colour[colour.count - 1] < 1000:
                colour[colour.count - 1] = colour[colour.count - 1] * 10 + Int(byte) - 0x30
            case 0x3b where !colour.isEmpty: colour.append(0)
            case 0x20:
                // 48;2;RED;GREEN;BLUE; the middle of the four says what the square is.
                if colour.count == 5, cells % 4 == 1, colour[3] > 128 { number |= 1 << (cells / 4) }
                cells += 1
                if cells == 40 { return number }
            default: break
            }
        }
        return nil
    }
}

/// What came out of a player, and when.
struct Presentation {
    /// A stretch of time in which the same kind of thing was seen, in seconds since the player was started.
    struct Stretch: Codable {
        enum Kind: String, Codable { case new, repeated, nothing }
        var kind: Kind
        var from, to: Double
    }

    private(set) var pictures: [(number: Int, at: Double)] = []
    private let frame: Double

    /// - Parameter frame: how long a picture is due to be shown, in seconds.
    init(frame: Double) { self.frame = frame }

    /// A picture that is drawn once more, because nothing newer came, is the same picture.
    mutating func show(_ number: Int, at time: Double) {
        if pictures.last?.number != number { pictures.append((number, time)) }
    }

    /// How many different ones.
    var different: Int { Set(pictures.map(\.number)).count }
    var repeats: Int { pictures.count - different }
    var first: Double? { pictures.first?.at }

    /// The longest time without a picture that had not been shown before, beyond what each is due to be shown. It
    /// begins with the first picture, and lasts up to the end of the player, unless the last picture has come.
    func longestWait(until end: Double, last: Int) -> Double {
        var seen: Set<Int> = []
        let news = pictures.filter { seen.insert($0.number).inserted }
        guard let latest = news.last else { return end }
        let waits = zip(news, news.dropFirst()).map { $1.at - $0.at - frame }
        let open = news.contains { $0.number == last } ? 0 : end - latest.at - frame
        return max(0, waits.max() ?? 0, open)
    }

    /// What was seen from the start to the end. A pause shorter than a quarter of a second is none.
    func stretches(until end: Double) -> [Stretch] {
        var stretches: [Stretch] = []
        func add(_ kind: Stretch.Kind, _ from: Double, _ to: Double) {
            if let last = stretches.last, last.kind == kind {
                stretches[stretches.count - 1].to = to
            } else if to > from {
                stretches.append(Stretch(kind: kind, from: from, to: to))
            }
        }
        var seen: Set<Int> = []
        var time = 0.0
        for (index, picture) in pictures.enumerated() {
            if picture.at > time { add(.nothing, time, picture.at) }
            let next = index + 1 < pictures.count ? pictures[index + 1].at : end
            let shown = next - picture.at < 0.25 ? next : min(end, picture.at + frame)
            add(seen.insert(picture.number).inserted ? .new : .repeated, picture.at, shown)
            time = shown
        }
        if end > time { add(.nothing, time, end) }
        return stretches
    }
}
