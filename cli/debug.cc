// isthmus debug bundle: all that somebody who helps from afar asks for, in one file.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/admin_port.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/told.h"
#include "io/real.h"
#include "kafka/compression.h"
#include "process/config_file.h"

namespace isthmus::cli {
namespace {

namespace files = std::filesystem;
using nlohmann::json;
using process::read_config_file;
using std::chrono::milliseconds;

constexpr size_t longest_page = 64 * 1024 * 1024;
constexpr size_t logged_lines = 2000;
constexpr size_t longest_log = 16 * 1024 * 1024;
constexpr size_t most_threads = 4096;

struct BundleOptions {
  AdminPortOptions port;
  std::string config;
  std::string log;
  std::string out;
  int64_t pid = 0;  // that which the process says
};

int64_t wall_ms() {
  return std::chrono::duration_cast<milliseconds>(io::wall_time().time_since_epoch()).count();
}

struct Page {
  const char* path;
  const char* file;
};
constexpr Page pages[] = {{"/status", "status.json"},
                          {"/metrics", "metrics.txt"},
                          {"/healthz", "healthz.txt"},
                          {"/readyz", "readyz.txt"},
                          {"/log", "log-levels.json"}};

// Whatever is answered, also an error, with when and how fast; what /status said.
json add_pages(Bundle& bundle, const AdminPort& port) {
  json status;
  for (const auto& [path, file] : pages) {
    const int64_t asked = wall_ms();
    auto answer = port.look("GET", path, longest_page);
    const int64_t took = wall_ms() - asked;
    if (!answer) {
      bundle.miss(file, fmt::format("{}, after {} ms", answer.error().text, took));
      continue;
    }
    if (std::string_view(path) == "/status") status = json::parse(answer->text, nullptr, false);
    auto note = fmt::format("{} answered {} to {} in {} ms, at {} UTC", port.url(), answer->status,
                            path, took, clock_text(asked, 0));
    const bool refused = answer->status == 401 || answer->status == 403 || answer->status == 429;
    if (refused) {
      bundle.miss(file, note + " (--admin-user, --admin-password-file)");
    } else {
      bundle.add(file, std::move(note), std::move(answer->text));
    }
  }
  return status;
}

void add_config_file(Bundle& bundle, const std::string& file) {
  if (file.empty()) return bundle.leave_out("config.yaml", "no --config");
  auto text = read_config_file(file);
  auto given = text ? config_to_give(*text, file) : text;
  if (!given) return bundle.miss("config.yaml", given.error().text);
  bundle.add("config.yaml",
             "the file with every default; without comments, without the places of secrets, and "
             "without the files that it names",
             std::move(*given));
}

void add_log_file(Bundle& bundle, const std::string& file) {
  if (file.empty()) return bundle.leave_out("log.txt", "no --log");
  auto lines = process::read_last_lines(file, logged_lines, longest_log);
  if (!lines) return bundle.miss("log.txt", lines.error().text);
  const auto count = std::ranges::count(*lines, '\n');
  bundle.add("log.txt", "the last " + count_text(count, "line"), std::move(*lines));
}

// Of the package, where there is one; the program itself knows none.
std::string installed_version() {
  const std::string known = read_config_file("/var/lib/dpkg/status").value_or("");
  size_t at = known.starts_with("Package: isthmus\n") ? 0 : known.find("\nPackage: isthmus\n");
  if (at == std::string::npos) return "of no package";
  const std::string paragraph = known.substr(at, known.find("\n\n", at + 1) - at);
  constexpr std::string_view key = "\nVersion: ";
  at = paragraph.find(key);
  if (at == std::string::npos) return "of no package";
  const size_t begin = at + key.size();
  return paragraph.substr(begin, paragraph.find('\n', begin) - begin);
}

void add_system(Bundle& bundle) {
  utsname named{};
  ::uname(&named);
  std::error_code unknown;
  const files::path program = files::read_symlink("/proc/self/exe", unknown);
  bundle.add(
      "system.txt", "the version, and the kernel of this machine",
      fmt::format("version: {}\nthis program: {}, {} bytes\nuname: {} {} {} {} {}\n",
                  installed_version(), program.string(), files::file_size(program, unknown),
                  named.sysname, named.nodename, named.release, named.version, named.machine));
}

// --- the process ---------------------------------------------------------------------------

bool is_this_machine(const io::Address& address) {
  return address.host == "localhost" || address.host == "127.0.0.1" || address.host == "::1" ||
         address.host == "[::1]";
}

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// The process that answers at the port, if it is one that can be looked at from here.
Result<int64_t> find_process(const BundleOptions& options, const AdminPort& port,
                             const json& status) {
  if (options.pid > 0) return options.pid;
  if (!is_this_machine(port.address())) {
    return fail("its machine may be another one; --pid says which process of this one it is");
  }
  const auto pid = told_number(status, "pid");
  if (!pid) return fail("it does not say its number; --pid does");
  const std::string name =
      trimmed(read_config_file(fmt::format("/proc/{}/comm", *pid)).value_or(""));
  if (name == "isthmus") return *pid;
  return fail(
      fmt::format("{} is another process here, or none: it runs in a container? --pid says "
                  "which one it is",
                  *pid));
}

std::vector<std::string> names_in(const files::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  files::directory_iterator each(folder, failed);
  for (; !failed && each != files::directory_iterator(); each.increment(failed)) {
    names.push_back(each->path().filename().string());
  }
  return names;
}

// How many of each kind; what they are called is left out.
void add_descriptors(Bundle& bundle, const std::string& folder) {
  const files::path open = folder + "/fd";
  std::error_code failed;
  files::directory_iterator(open, failed);
  if (failed) return bundle.miss("process/fds.txt", failed.message());
  std::map<std::string, size_t> kinds;
  size_t all = 0;
  for (const std::string& name : names_in(open)) {
    const std::string target = files::read_symlink(open / name, failed).string();
    const size_t colon = target.find(':');
    const bool is_file = failed || target.starts_with('/') || colon == std::string::npos;
    ++kinds[is_file ? "file" : target.substr(0, colon)];
    ++all;
  }
  std::string text = fmt::format("all: {}\n", all);
  for (const auto& [kind, count] : kinds) text += fmt::format("{}: {}\n", kind, count);
  bundle.add("process/fds.txt", count_text(static_cast<int64_t>(all), "open descriptor"),
             std::move(text));
}

void add_threads(Bundle& bundle, const std::string& folder) {
  auto tasks = names_in(folder + "/task");
  if (tasks.empty()) return bundle.miss("process/threads.txt", "it has no threads here");
  std::ranges::sort(tasks);
  const size_t all = tasks.size();
  tasks.resize(std::min(all, most_threads));
  std::string text;
  bool has_stacks = false;
  for (const std::string& task : tasks) {
    auto read = [&](const char* file) {
      return trimmed(
          read_config_file(fmt::format("{}/task/{}/{}", folder, task, file)).value_or(""));
    };
    const std::string stack = read("stack");
    has_stacks = has_stacks || !stack.empty();
    text += fmt::format("{} {}: {}\n{}{}", task, read("comm"), read("wchan"), stack,
                        stack.empty() ? "" : "\n");
  }
  bundle.add(
      "process/threads.txt",
      fmt::format("{}, and where each waits{}", count_text(static_cast<int64_t>(all), "thread"),
                  has_stacks ? "" : "; their stacks in the kernel only root can read"),
      std::move(text));
}

void add_process(Bundle& bundle, const Result<int64_t>& pid) {
  if (!pid) return bundle.miss("process/", pid.error().text);
  const std::string folder = fmt::format("/proc/{}", *pid);
  for (const char* file : {"status", "limits"}) {
    const std::string name = fmt::format("process/{}.txt", file);
    auto text = read_config_file(fmt::format("{}/{}", folder, file));
    if (text) {
      bundle.add(name, fmt::format("{}/{}", folder, file), std::move(*text));
    } else {
      bundle.miss(name, text.error().text);
    }
  }
  add_descriptors(bundle, folder);
  add_threads(bundle, folder);
}

// --- the file ------------------------------------------------------------------------------

// "2026-03-09 02:13:44" as a part of a name.
std::string stamp_of(int64_t ms) {
  std::string stamp = clock_text(ms, 0);
  std::erase(stamp, ':');
  std::ranges::replace(stamp, ' ', '-');
  return stamp;
}

io::Task<Exit> write_file(io::Env& env, std::string file, Slice content) {
  auto written = io::replace_file(env.disk, file, content, io::Disk::Open::secret);
  co_return written ? Exit::done : fail_with(written.error());
}

Exit write_bundle(const Bundle& bundle, const std::string& file) {
  const std::string archive = bundle.archive();
  const bool packed = file.ends_with(".gz") || file.ends_with(".tgz");
  const Slice bytes = packed ? kafka::compress(kafka::Compression::gzip, as_bytes(archive))
                             : Slice::copy_of(archive);
  return run_task([&](io::Env& env) { return write_file(env, file, bytes); });
}

void say_parts(const Bundle& bundle, const std::string& file, bool as_json) {
  if (as_json) {
    json parts = json::array();
    for (const BundlePart& part : bundle.parts()) {
      parts.push_back(
          {{"name", part.name}, {"included", part.text.has_value()}, {"note", part.note}});
    }
    return show(json{{"file", file}, {"parts", parts}});
  }
  Lines out;
  for (const BundlePart& part : bundle.parts()) {
    out.say("{}: {}{}", part.name, part.text ? "" : "not included: ", part.note);
  }
  out.say(
      "{} is written, for its owner alone. No password, key or token is in it; names of "
      "topics, groups, users and hosts are.",
      file);
  show(out);
}

Exit make_bundle(const BundleOptions& options, bool as_json) {
  auto port = AdminPort::of(options.port);
  if (!port) return fail_with(port.error());
  const int64_t now = wall_ms();
  const std::string name = "isthmus-bundle-" + stamp_of(now);
  Bundle bundle(name, now / 1000);
  const json status = add_pages(bundle, *port);
  add_config_file(bundle, options.config);
  add_log_file(bundle, options.log);
  add_system(bundle);
  add_process(bundle, find_process(options, *port, status));
  const std::string file = options.out.empty() ? name + ".tar.gz" : options.out;
  const Exit written = write_bundle(bundle, file);
  if (written != Exit::done) return written;
  say_parts(bundle, file, as_json);
  return bundle.misses_some() ? Exit::degraded : Exit::done;
}

}  // namespace

void add_debug(Command line) {
  Command group = line.group("debug", "What somebody who helps needs to know");
  auto options = std::make_shared<BundleOptions>();
  Command bundle = group.command(
      {"bundle",
       "Writes what a process says, its configuration without secrets, its log and its threads "
       "into one file",
       "isthmus debug bundle --admin 127.0.0.1:9644 --config config/seoul.yaml"},
      [options](const Common& common) { return make_bundle(*options, common.json); });
  add_admin_options(bundle, options->port, "One of its admin.users; a viewer will do");
  bundle.option("--config", options->config, "Its configuration; secrets are left out",
                {.type_name = "FILE"});
  bundle.option("--log", options->log, "Its log, of which the last 2,000 lines are taken",
                {.type_name = "FILE"});
  bundle.option("--out", options->out,
                "What is written, a tar, packed where it ends in .gz; at first "
                "isthmus-bundle-TIME.tar.gz here",
                {.type_name = "FILE"});
  bundle.option("--pid", options->pid, "Its number on this machine, where it cannot say it itself",
                {.min = 1, .max = INT32_MAX});
}

}  // namespace isthmus::cli
