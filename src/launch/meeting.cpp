#include "launch/meeting.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "launch/proof.h"

namespace ingot::launch {
namespace {

constexpr int kLookMs = 100;
constexpr size_t kMostStrangers = 64, kMostRefusals = 20;
constexpr size_t kStrangersBytes = 4096, kGuestsBytes = size_t{16} << 20;
constexpr std::chrono::seconds kToProve{10}, kLastWords{2};

}  // namespace

class Meeting::Hall : public Guests {
 public:
  Hall(Socket listener, std::string token, std::unique_ptr<Desk> desk)
      : listener_(std::move(listener)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), token_(std::move(token)), desk_(std::move(desk)) {
    ::fcntl(listener_.descriptor(), F_SETFL, O_NONBLOCK);
  }

  void run() {
    while (!is_ending()) {
      serve_for_a_moment(/*admits=*/true);
      desk_->look(*this, MeetingClock::now());
    }
    const auto end = MeetingClock::now() + kLastWords;
    while (has_words_left() && MeetingClock::now() < end) serve_for_a_moment(/*admits=*/false);
  }

  void end() {
    const uint64_t one = 1;
    (void)!::write(wake_.descriptor(), &one, sizeof(one));
  }

  void send(int guest, const Message& message) override {
    if (const auto found = guests_.find(guest); found != guests_.end()) found->second.outbox += pack(message);
  }

  std::string address_of(int guest) const override {
    const auto found = guests_.find(guest);
    return found == guests_.end() ? "" : found->second.address;
  }

  std::string refusals() const override { return refusals_.empty() ? "" : fmt::format("; refused: {}", fmt::join(refusals_, ", ")); }

 private:
  struct Guest {
    std::string address, nonce;
    Socket socket;
    Inbox inbox{kStrangersBytes};
    std::string outbox = {};
    bool is_in = false, is_leaving = false;  // leaves when it has got its outbox
    MeetingClock::time_point came = MeetingClock::now();
  };

  bool is_ending() {
    uint64_t number = 0;
    return ::read(wake_.descriptor(), &number, sizeof(number)) > 0;
  }

  bool has_words_left() const {
    for (const auto& [number, guest] : guests_)
      if (!guest.outbox.empty()) return true;
    return false;
  }

  void serve_for_a_moment(bool admits) {
    std::vector<pollfd> polled{{wake_.descriptor(), static_cast<short>(admits ? POLLIN : 0), 0}, {listener_.descriptor(), static_cast<short>(admits ? POLLIN : 0), 0}};
    std::vector<int> numbers;
    for (const auto& [number, guest] : guests_) {
      polled.push_back({guest.socket.descriptor(), static_cast<short>(guest.outbox.empty() ? POLLIN : POLLIN | POLLOUT), 0});
      numbers.push_back(number);
    }
    ::poll(polled.data(), polled.size(), kLookMs);
    for (size_t i = 0; i < numbers.size(); ++i)
      if (polled[i + 2].revents != 0) serve(numbers[i], polled[i + 2].revents);
    if (polled[1].revents != 0 && admits) admit();
    send_late_ones_away();
  }

  void admit() {
    Socket socket(::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.descriptor() < 0) return;
    Guest guest{.address = peer_address(socket), .nonce = random_secret(), .socket = std::move(socket)};
    guest.outbox = pack({kProtocol, guest.nonce});
    guests_.emplace(next_number_++, std::move(guest));
  }

  void serve(int number, int events) {
    Guest& guest = guests_.at(number);
    bool is_open = true;
    if ((events & ~POLLOUT) != 0) is_open = read(guest);
    try {
      while (!guest.is_leaving) {
        const auto message = guest.inbox.take();
        if (!message) break;
        guest.is_in ? desk_->handle(*this, number, *message) : meet(guest, *message);
      }
    } catch (const CommError& error) {
      refuse(guest, error.what());
    }
    if (is_open && !guest.outbox.empty()) is_open = write(guest);
    if (is_open && !(guest.is_leaving && guest.outbox.empty())) return;
    if (!guest.is_in && !guest.is_leaving) note_refusal(guest, "it left without a word of this program");
    forget(number);
  }

  void forget(int number) {
    const bool was_in = guests_.at(number).is_in;
    if (was_in) desk_->gone(*this, number);
    guests_.erase(number);
  }

  static bool read(Guest& guest) {
    char buffer[65536];
    const ssize_t count = ::recv(guest.socket.descriptor(), buffer, sizeof(buffer), 0);
    if (count > 0) guest.inbox.add({buffer, static_cast<size_t>(count)});
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
  }

  static bool write(Guest& guest) {
    const ssize_t count = ::send(guest.socket.descriptor(), guest.outbox.data(), guest.outbox.size(), MSG_NOSIGNAL);
    if (count > 0) guest.outbox.erase(0, static_cast<size_t>(count));
    return count >= 0 || errno == EAGAIN || errno == EINTR;
  }

  void meet(Guest& guest, const Message& hello) {
    if (hello.size() != 4 || hello[0] != "hello") return refuse(guest, "it does not speak as this program does");
    if (!is_same_proof(hello[3], guest_proof(token_, guest.nonce, hello[2], hello[1]))) return refuse(guest, "without the token of this job");
    if (hello[1] != program_version()) return refuse(guest, fmt::format("another version of the program: found {}, wanted {}", hello[1], program_version()));
    guest.is_in = true;
    guest.inbox.allow(kGuestsBytes);
    guest.outbox += pack({"welcome", host_proof(token_, guest.nonce, hello[2])});
  }

  void refuse(Guest& guest, const std::string& why) {
    guest.outbox += pack({"refused", why});
    guest.is_leaving = true;
    note_refusal(guest, why);
  }

  /// Says once of an address why it was not let in.
  void note_refusal(const Guest& guest, const std::string& why) {
    const auto text = fmt::format("{}: {}", guest.address, why);
    for (const auto& known : refusals_)
      if (known == text) return;
    if (refusals_.size() == kMostRefusals) return;
    refusals_.push_back(text);
    log_warning(fmt::format("{} was refused at port {}: {}", guest.address, own_port(listener_), why));
  }

  /// Of those who prove nothing: who has had the time for it, and the oldest where they are many.
  void send_late_ones_away() {
    size_t strangers = 0;
    for (const auto& [number, guest] : guests_) strangers += !guest.is_in;
    for (auto next = guests_.begin(); next != guests_.end();) {
      const auto [number, late] = std::pair(next->first, MeetingClock::now() - next->second.came > kToProve);
      Guest& guest = (next++)->second;
      if (guest.is_in || !(late || strangers > kMostStrangers)) continue;
      note_refusal(guest, "it has not proven that it belongs to this job");
      --strangers;
      forget(number);
    }
  }

  std::map<int, Guest> guests_;  // in the order in which they came
  Socket listener_, wake_;
  std::string token_;
  std::unique_ptr<Desk> desk_;
  int next_number_ = 0;
  std::vector<std::string> refusals_;
};

Meeting::Meeting(Socket listener, std::string token, std::unique_ptr<Desk> desk)
    : port_(own_port(listener)), hall_(std::make_unique<Hall>(std::move(listener), std::move(token), std::move(desk))), thread_([this] { hall_->run(); }) {}

Meeting::~Meeting() {
  hall_->end();
  thread_.join();
}

}  // namespace ingot::launch
